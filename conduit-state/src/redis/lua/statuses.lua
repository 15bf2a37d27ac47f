-- Answers {worker, status, age in ms, ...} of the workers that published lately, and drops the others.
-- ARGV: how old in ms a status may be.
local now, answer = now_millis(), {}
local found = redis.call('ZRANGE', 'cdc:state:workers', 0, -1, 'WITHSCORES')
for at = 1, #found, 2 do
  local worker, age = found[at], now - tonumber(found[at + 1])
  local key = 'cdc:state:status:' .. worker
  local status = redis.call('GET', key)
  if status and age <= tonumber(ARGV[1]) then
    answer[#answer + 1] = worker
    answer[#answer + 1] = status
    answer[#answer + 1] = math.max(age, 0)
  else
    redis.call('DEL', key)
    redis.call('ZREM', 'cdc:state:workers', worker)
  end
end
return answer
