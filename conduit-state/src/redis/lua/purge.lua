-- Drops dead letters of one subscription within a stretch of the list.
-- ARGV: collection, destination, where the stretch begins, how long it is.
-- Answers {'ok', how many were dropped, where to go on or -1}.
local collection, destination, first, length = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local keys = collection_keys(collection)
local wrong = mistyped({dead = keys.dead, dead_index = keys.dead_index, counts = keys.counts})
if wrong then return {'corrupt', wrong} end
local count = tonumber(redis.call('HGET', keys.counts, 'dead:' .. destination) or '0')
if not count then return {'corrupt', keys.counts} end

local letters = redis.call('LRANGE', keys.dead, first, first + length - 1)
local dropped = 0
for index, letter in ipairs(letters) do
  local id, of = string.match(letter, '^{"id":(%d+),"destination":"([^"]*)"')
  if of == destination then
    -- No letter is empty: the empty ones are removed together below.
    redis.call('LSET', keys.dead, first + index - 1, '')
    redis.call('HDEL', keys.dead_index, id)
    dropped = dropped + 1
  end
end
if dropped > 0 then redis.call('LREM', keys.dead, 0, '') end
local is_end = #letters < length
local left = is_end and 0 or math.max(count - dropped, 0)
if left ~= count then redis.call('HSET', keys.counts, 'dead:' .. destination, whole(left)) end
return {'ok', dropped, is_end and -1 or first + length - dropped}
