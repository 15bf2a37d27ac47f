-- Drops the state of one subscription (ARGV: collection, destination), or all of a collection (ARGV: collection).
local collection, destination = ARGV[1], ARGV[2]
local keys = collection_keys(collection)
local wrong = mistyped({positions = keys.positions, retry = keys.retry})
if wrong then return {'corrupt', wrong} end
if destination then
  local of = subscription_keys(collection, destination)
  wrong = mistyped({waiting = of.waiting})
  if wrong then return {'corrupt', wrong} end
  drop(keys, of, destination)
  show_oldest(keys)
else
  for _, member in ipairs(redis.call('ZRANGE', keys.positions, 0, -1)) do
    local of = subscription_keys(collection, destination_of(member))
    redis.call('UNLINK', of.resume, of.waiting, of.contents, of.ahead, of.poisoned)
  end
  redis.call('UNLINK', keys.lease, keys.resume, keys.retry, keys.dead, keys.dead_index, keys.counts, keys.positions)
end
return {'ok'}
