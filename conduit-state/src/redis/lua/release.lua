-- Gives a lease back; its epoch stays. ARGV: collection, worker, epoch.
local lease = collection_keys(ARGV[1]).lease
if holds(lease, ARGV[2], ARGV[3]) then redis.call('HSET', lease, 'worker', '', 'until', '0') end
return 1
