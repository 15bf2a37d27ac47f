-- Notes who follows a collection, with the moment, and tells of one who begins; answers the id.
-- ARGV: collection, id or '' for a new one, channel.
local now, id = whole(now_millis()), ARGV[2]
if id == '' then
  id = now .. '-' .. whole(redis.call('INCR', 'cdc:state:last-tail'))
end
redis.call('ZADD', 'cdc:state:tails', now, id .. ':' .. ARGV[1])
if ARGV[2] == '' then redis.call('PUBLISH', ARGV[3], ARGV[1]) end
return id
