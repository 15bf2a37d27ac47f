-- Stores a command and tells of it; answers its id. ARGV: collection, command, channel, and 'any' if any worker may take it.
local now = whole(now_millis())
local id = now .. '-' .. whole(redis.call('INCR', 'cdc:state:last-command'))
local entry = { at = now, collection = ARGV[1], command = ARGV[2], any = ARGV[4] }
redis.call('HSET', 'cdc:state:commands', id, cjson.encode(entry))
redis.call('PUBLISH', ARGV[3], ARGV[1])
return id
