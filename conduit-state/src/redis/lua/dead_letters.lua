-- Answers dead letters, oldest first. ARGV: collection, id after which to begin or '', how many at most.
local dead = collection_keys(ARGV[1]).dead
local after, limit = tonumber(ARGV[2]), tonumber(ARGV[3])
local function id_at(index)
  return tonumber(string.match(redis.call('LINDEX', dead, index), '^{"id":(%d+)'))
end
-- The list's ids grow: halve until `low` is the first one after.
local low, high = 0, redis.call('LLEN', dead)
while after and low < high do
  local middle = math.floor((low + high) / 2)
  local id = id_at(middle)
  if not id then return {'corrupt', dead} end
  if id <= after then low = middle + 1 else high = middle end
end
if limit == 0 then return {'ok', {}} end
return {'ok', redis.call('LRANGE', dead, low, low + limit - 1)}
