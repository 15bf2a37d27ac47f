-- Stores a command and tells of it; answers its id. ARGV: collection, command, channel.
local now = whole(now_millis())
local id = now .. '-' .. whole(redis.call('INCR', 'cdc:state:last-command'))
redis.call('HSET', 'cdc:state:commands', id, cjson.encode({ at = now, collection = ARGV[1], command = ARGV[2] }))
redis.call('PUBLISH', ARGV[3], ARGV[1])
return id
