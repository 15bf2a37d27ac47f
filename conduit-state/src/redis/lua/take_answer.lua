-- Takes the answer to a command away. ARGV: id.
local KEY = 'cdc:state:answers'
local found = redis.call('HGET', KEY, ARGV[1])
if not found then return nil end
redis.call('HDEL', KEY, ARGV[1])
return string.match(found, '^%d+ (.*)$')
