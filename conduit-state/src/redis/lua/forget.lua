-- Drops the state of one subscription (ARGV: collection, destination), or all of a collection (ARGV: collection).
local collection, destination = ARGV[1], ARGV[2]
local keys = collection_keys(collection)
local wrong = mistyped({positions = keys.positions, retry = keys.retry, counts = keys.counts})
if wrong then return {'corrupt', wrong} end
if destination then
  local of = subscription_keys(collection, destination)
  wrong = mistyped({waiting = of.waiting})
  if wrong then return {'corrupt', wrong} end
  drop(keys, of, destination)
  show_oldest(keys)
else
  local destinations = {}
  for _, member in ipairs(redis.call('ZRANGE', keys.positions, 0, -1)) do
    destinations[destination_of(member)] = true
  end
  -- Those that are gone may have left dead letters.
  for _, field in ipairs(redis.call('HKEYS', keys.counts)) do
    destinations[string.match(field, '^dead:(.*)$') or ''] = true
  end
  for name in pairs(destinations) do
    local of, letters = subscription_keys(collection, name), letter_keys(collection, name)
    redis.call('UNLINK', of.resume, of.waiting, of.contents, of.ahead, letters.letters, letters.poisoned)
  end
  redis.call('UNLINK', keys.lease, keys.resume, keys.retry, keys.dead, keys.dead_index, keys.counts, keys.positions)
end
return {'ok'}
