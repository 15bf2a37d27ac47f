-- Applies one commit, or says why not and changes nothing.
-- ARGV: collection, destination, worker, epoch, number, most processed keys (0: write none),
--       from (t, i, token; t is '' without a move), to (t, i, token, source, options),
--       the lengths of: settled ahead, processed, parked, unparked, dead, cured, redriven; then these lists, an entry of
--       parked being id, score, entry or '', tries, contents or ''; one of dead being JSON without its id, index entry,
--       key or '' if it is stale, sequence, t, i; one of cured being key, sequence, each key once; redriven ids grow.
-- Answers {'ok'} | {'capped'} (applied, without the processed keys) | {'fenced'} | {'absent'} | {'corrupt', key}
--       | {'number', last} | {'position'} | {'unknown'} (reschedules what does not wait)
--       | {'letter'} (takes back what is not there).
local collection, destination, worker, epoch = unpack(ARGV, 1, 4)
local number, most = tonumber(ARGV[5]), tonumber(ARGV[6])
local PROCESSED = 'cdc:state:processed'
local DAY, HOUR = 86400, 3600
-- How many members one command adds: fewer than a script can hand over.
local MEMBERS = 1000

local keys = collection_keys(collection)
local of = subscription_keys(collection, destination)
-- What is read first is asked for its type by reading it; the rest only if it is to be written: at a low rate of records
-- most of what a commit costs is the number of its commands.
local lease = redis.pcall('HMGET', keys.lease, 'worker', 'epoch')
if lease.err then return {'corrupt', keys.lease} end
if lease[1] ~= worker or lease[2] ~= epoch then return {'fenced'} end
local text = redis.pcall('GET', of.resume)
if type(text) == 'table' then return {'corrupt', of.resume} end
local progress, absent = decode_progress(text)
if absent then return {'absent'} end
if not progress then return {'corrupt', of.resume} end

if number == progress.commit and number > 0 and progress.worker == worker and whole(progress.epoch) == epoch then
  return {'ok'}
end
if number ~= progress.commit + 1 then return {'number', whole(progress.commit)} end
local moves = ARGV[7] ~= ''
if moves and (progress.time.t ~= tonumber(ARGV[7]) or progress.time.i ~= tonumber(ARGV[8])
  or progress.token ~= ARGV[9]) then
  return {'position'}
end

local at = 15
local lengths = {}
for list = 1, 7 do lengths[list] = tonumber(ARGV[at + list - 1]) end
at = at + 7
-- Where each list begins, and how many arguments an entry of it has.
local WIDTHS = {1, 1, 5, 1, 6, 2, 1}
local first = {}
for list = 1, 7 do
  first[list] = at
  at = at + lengths[list] * WIDTHS[list]
end
local AHEAD, IDS, PARKED, UNPARKED, DEAD, CURED, REDRIVEN = 1, 2, 3, 4, 5, 6, 7
local function each(list, change)
  local width = WIDTHS[list]
  for entry = 0, lengths[list] - 1 do change(first[list] + entry * width) end
end

local is_plain = true
for list = PARKED, REDRIVEN do is_plain = is_plain and lengths[list] == 0 end
if not is_plain then
  local wrong = mistyped(keys) or mistyped(of)
  if wrong then return {'corrupt', wrong} end
end
local ahead = redis.pcall('ZCARD', of.ahead)
if type(ahead) == 'table' then return {'corrupt', of.ahead} end

local added, unknown = {}, false
each(PARKED, function(a)
  if ARGV[a + 2] ~= '' then
    added[ARGV[a]] = true
  elseif not added[ARGV[a]] and redis.call('HEXISTS', of.waiting, ARGV[a]) == 0 then
    unknown = true
  end
end)
if unknown then return {'unknown'} end

local poison, plan, redriven, last_dead, dead = nil, nil, {}, nil, nil
if lengths[DEAD] + lengths[CURED] + lengths[REDRIVEN] > 0 then
  last_dead = tonumber(redis.call('HGET', keys.counts, 'last-dead') or '0')
  dead = tonumber(redis.call('HGET', keys.counts, 'dead:' .. destination) or '0')
  if not last_dead or not dead then return {'corrupt', keys.counts} end
  poison = poison_changes(collection, destination)
  if poison.wrong then return {'corrupt', poison.wrong} end
  each(REDRIVEN, function(a)
    local fine, entry = pcall(cjson.decode, redis.call('HGET', keys.dead_index, ARGV[a]) or '{}')
    if not fine or type(entry) ~= 'table' then
      poison.wrong = keys.dead_index
    elseif entry.destination ~= destination then
      unknown = true
    end
    redriven[#redriven + 1] = ARGV[a]
  end)
  if poison.wrong then return {'corrupt', poison.wrong} end
  if unknown then return {'letter'} end
  local changes = {}
  poison.leave(redriven)
  for _, id in ipairs(redriven) do changes[id] = 'goes' end
  each(CURED, function(a)
    for _, id in ipairs(poison.cure(ARGV[a], ARGV[a + 1])) do changes[id] = 'stale' end
  end)
  each(DEAD, function(a)
    if ARGV[a + 2] ~= '' then poison.come(ARGV[a + 2], tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5])) end
  end)
  if poison.wrong then return {'corrupt', poison.wrong} end
  if next(changes) then
    plan = plan_edits(keys.dead, changes)
    if not plan then return {'corrupt', keys.dead} end
  end
end

local capped, hour, written = false, 0, {}
if most > 0 and lengths[IDS] > 0 then
  written = redis.pcall('HGETALL', PROCESSED)
  if written.err then return {'corrupt', PROCESSED} end
  hour = math.floor(redis.call('TIME')[1] / HOUR)
  local total = lengths[IDS]
  for field = 1, #written, 2 do
    if hour - (tonumber(written[field]) or 0) <= DAY / HOUR then
      total = total + (tonumber(written[field + 1]) or 0)
    end
  end
  capped = total > most
end

local oldest = {}
if moves then
  oldest = redis.pcall('ZRANGE', keys.positions, 0, 1)
  if oldest.err then return {'corrupt', keys.positions} end
end

-- Everything is checked; from here on it is written.
local old_member = position_member(progress)
progress.commit, progress.epoch, progress.worker = number, tonumber(epoch), worker
if moves then
  progress.time = {t = tonumber(ARGV[10]), i = tonumber(ARGV[11])}
  progress.token, progress.source, progress.options = ARGV[12], ARGV[13], ARGV[14]
end
local written_progress = cjson.encode(progress)
redis.call('SET', of.resume, written_progress)
if moves then
  redis.call('ZREM', keys.positions, old_member)
  redis.call('ZADD', keys.positions, 0, position_member(progress))
  if oldest[1] == old_member and not oldest[2] then
    redis.call('SET', keys.resume, written_progress)
  elseif not oldest[1] or destination_of(oldest[1]) == destination then
    show_oldest(keys)
  end
  -- Else another one's was the oldest, and is.
end

if lengths[AHEAD] > 0 then
  for from = first[AHEAD], first[AHEAD] + lengths[AHEAD] - 1, MEMBERS do
    local members = {}
    for a = from, math.min(from + MEMBERS, first[AHEAD] + lengths[AHEAD]) - 1 do
      members[#members + 1] = 0
      members[#members + 1] = ARGV[a]
    end
    redis.call('ZADD', of.ahead, unpack(members))
  end
end
if moves and progress.token ~= '' and ahead + lengths[AHEAD] > 0 then
  -- A dot sorts after the dash of a change's two records and before all that can lengthen a token.
  redis.call('ZREMRANGEBYLEX', of.ahead, '-', '(' .. progress.token .. '.')
end

if most > 0 and lengths[IDS] > 0 and not capped then
  local generation = whole(progress.generation)
  local call, arguments = redis.call, ARGV
  for a = first[IDS], first[IDS] + lengths[IDS] - 1 do call('SETEX', arguments[a], '86400', generation) end
  local before = 0
  for field = 1, #written, 2 do
    if written[field] == whole(hour) then before = tonumber(written[field + 1]) or 0 end
  end
  redis.call('HSET', PROCESSED, whole(hour), whole(before + lengths[IDS]))
  for field = 1, #written, 2 do
    if hour - (tonumber(written[field]) or 0) > DAY / HOUR then redis.call('HDEL', PROCESSED, written[field]) end
  end
end

each(PARKED, function(a)
  local id, entry = ARGV[a], ARGV[a + 2]
  if entry == '' then
    entry = string.match(redis.call('HGET', of.waiting, id), '^[^\n]*')
  else
    redis.call('HSET', of.contents, id, ARGV[a + 4])
  end
  redis.call('HSET', of.waiting, id, entry .. '\n' .. ARGV[a + 3])
  redis.call('ZADD', keys.retry, ARGV[a + 1], destination .. '|' .. id)
end)
each(UNPARKED, function(a)
  redis.call('HDEL', of.waiting, ARGV[a])
  redis.call('HDEL', of.contents, ARGV[a])
  redis.call('ZREM', keys.retry, destination .. '|' .. ARGV[a])
end)

if poison then
  if plan then edit_list(plan) end
  for _, id in ipairs(redriven) do redis.call('HDEL', keys.dead_index, id) end
  poison.write()
  each(DEAD, function(a)
    last_dead = last_dead + 1
    local id = whole(last_dead)
    redis.call('RPUSH', keys.dead, '{"id":' .. id .. ',' .. ARGV[a])
    redis.call('HSET', keys.dead_index, id, ARGV[a + 1])
    if ARGV[a + 2] ~= '' then
      poison.add(letter_member(ARGV[a + 2], ARGV[a + 3], tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5]), id))
    end
  end)
  set_dead_count(keys, destination, dead + lengths[DEAD] - lengths[REDRIVEN])
  if lengths[DEAD] > 0 then redis.call('HSET', keys.counts, 'last-dead', whole(last_dead)) end
end
return {capped and 'capped' or 'ok'}
