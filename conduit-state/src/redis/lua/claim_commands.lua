-- Takes away the commands for some collections, and those for any worker, and answers {id, collection, command, ...}, oldest
-- first; drops those that waited too long or cannot be read. ARGV: how long in ms one may wait, collections.
local KEY = 'cdc:state:commands'
local now, ours, claimed = now_millis(), {}, {}
for at = 2, #ARGV do ours[ARGV[at]] = true end
local found = redis.call('HGETALL', KEY)
for at = 1, #found, 2 do
  local id = found[at]
  local fine, entry = pcall(cjson.decode, found[at + 1])
  if not fine or type(entry) ~= 'table' or not tonumber(entry.at) or now - tonumber(entry.at) > tonumber(ARGV[1]) then
    redis.call('HDEL', KEY, id)
  elseif entry.any or ours[entry.collection] then
    redis.call('HDEL', KEY, id)
    claimed[#claimed + 1] = { id, entry }
  end
end
local function number_of(id) return tonumber(string.match(id, '%d+$')) or 0 end
table.sort(claimed, function(a, b) return number_of(a[1]) < number_of(b[1]) end)
local answer = {}
for _, one in ipairs(claimed) do
  answer[#answer + 1] = one[1]
  answer[#answer + 1] = one[2].collection
  answer[#answer + 1] = one[2].command
end
return answer
