-- Prolongs leases. ARGV: lease time in ms; then for each: collection, worker, epoch. Answers 1 or 0 (fenced) for each.
local answers = {}
local deadline = whole(now_millis() + tonumber(ARGV[1]))
for at = 2, #ARGV, 3 do
  local lease = collection_keys(ARGV[at]).lease
  local held = holds(lease, ARGV[at + 1], ARGV[at + 2])
  if held then redis.call('HSET', lease, 'until', deadline) end
  answers[#answers + 1] = held and 1 or 0
end
return answers
