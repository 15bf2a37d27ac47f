-- Drops dead letters.
-- ARGV: collection, destination or '', id after which to begin or '', how many to look at, how many to find; then ids,
-- growing: these only.
-- Answers {'ok', how many were dropped, the last id looked at if there may be more or ''}. With ids the first answer is all.
local collection, destination, after = unpack(ARGV, 1, 3)
local keys = collection_keys(collection)
local wrong = mistyped({dead = keys.dead, dead_index = keys.dead_index, counts = keys.counts})
if wrong then return {'corrupt', wrong} end
local list, ids = letter_list(keys.dead), {unpack(ARGV, 6)}
local found, last = select_letters(list, destination, after, tonumber(ARGV[4]), tonumber(ARGV[5]), ids)
if not found then return {'corrupt', keys.dead} end

local of = {}
for _, letter in ipairs(found) do
  if not of[letter.destination] then of[letter.destination] = {} end
  table.insert(of[letter.destination], letter.id)
end
local poison, left = {}, {}
for name, letters in pairs(of) do
  poison[name] = poison_changes(collection, name)
  if poison[name].wrong then return {'corrupt', poison[name].wrong} end
  poison[name].leave(letters)
  if poison[name].wrong then return {'corrupt', poison[name].wrong} end
  local count = tonumber(redis.call('HGET', keys.counts, 'dead:' .. name) or '0')
  if not count then return {'corrupt', keys.counts} end
  left[name] = count - #letters
end

-- What frees memory comes first: a full Redis lets that begin, and what has begun ends.
for _, letter in ipairs(found) do redis.call('HDEL', keys.dead_index, letter.id) end
for name, changes in pairs(poison) do
  changes.write()
  set_dead_count(keys, name, left[name])
end
if #found > 0 and found[#found].place == #found - 1 then
  redis.call('LTRIM', keys.dead, #found, -1)
elseif #found > 0 then
  -- No letter is empty: the empty ones are removed together.
  for _, letter in ipairs(found) do redis.call('LSET', keys.dead, letter.place, '') end
  redis.call('LREM', keys.dead, 0, '')
end
if #ids == 0 and not last then
  -- What a list that somebody changed by hand has left.
  local emptied = destination ~= '' and {'dead:' .. destination} or redis.call('HKEYS', keys.counts)
  for _, field in ipairs(emptied) do
    local name = string.match(field, '^dead:(.*)$')
    if name then
      local letters = letter_keys(collection, name)
      redis.call('HDEL', keys.counts, field)
      redis.call('UNLINK', letters.letters, letters.poisoned)
    end
  end
  if destination == '' then redis.call('UNLINK', keys.dead_index) end
end
return {'ok', #found, last or ''}
