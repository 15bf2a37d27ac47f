-- Stores the answer to a command, and drops answers that nobody fetched. ARGV: id, answer, how long in ms one may wait.
local KEY = 'cdc:state:answers'
local now = now_millis()
local found = redis.call('HGETALL', KEY)
for at = 1, #found, 2 do
  local stored = tonumber(string.match(found[at + 1], '^%d+'))
  if not stored or now - stored > tonumber(ARGV[3]) then redis.call('HDEL', KEY, found[at]) end
end
redis.call('HSET', KEY, ARGV[1], whole(now) .. ' ' .. ARGV[2])
return 1
