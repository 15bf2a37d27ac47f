-- Takes a command back; answers whether it was still there. ARGV: id.
return redis.call('HDEL', 'cdc:state:commands', ARGV[1])
