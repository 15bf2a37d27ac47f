-- Stores a worker's status with the moment. ARGV: worker, status.
redis.call('SET', 'cdc:state:status:' .. ARGV[1], ARGV[2])
redis.call('ZADD', 'cdc:state:workers', whole(now_millis()), ARGV[1])
return 1
