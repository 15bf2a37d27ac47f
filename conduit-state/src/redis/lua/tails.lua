-- Answers who follows what, as `<id>:<collection>`, and drops those that were silent too long.
-- ARGV: how long in ms one may be silent.
redis.call('ZREMRANGEBYSCORE', 'cdc:state:tails', '-inf', '(' .. whole(now_millis() - tonumber(ARGV[1])))
return redis.call('ZRANGE', 'cdc:state:tails', 0, -1)
