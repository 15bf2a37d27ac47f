-- Takes a lease (or checks it) and answers the states of subscriptions, beginning those that have none.
-- ARGV: 'open' or 'load', collection, worker, lease time in ms, worker to evict or '', epoch ('open': the worker's last);
--       then for each subscription: destination, start (t, i), life (t, i), generation, rewound to (t, i).
-- Answers {'held', worker, ms} | {'fenced'} | {'corrupt', key} | {'taken', epoch, others, states},
-- a state being {is new, progress, waiting (id, entry, ...), settled ahead, poisoned (key, letters, ...) or how many
-- these are if that is too much for a script, number of its dead letters, number of the collection's}.
local mode, collection, worker, lease_time, evict, epoch = unpack(ARGV, 1, 6)
local keys = collection_keys(collection)
local COUNTER = 'cdc:state:epoch'

local wrong = mistyped(keys)
if wrong then return {'corrupt', wrong} end

local lease = redis.call('HMGET', keys.lease, 'worker', 'until', 'epoch')
if mode == 'load' then
  if not holds(keys.lease, worker, epoch) then return {'fenced'} end
else
  local now = now_millis()
  local holder = lease[1]
  if holder and holder ~= '' and holder ~= worker and holder ~= evict then
    local remaining = (tonumber(lease[2]) or 0) - now
    if remaining > 0 then return {'held', holder, remaining} end
  end
end

local MANY_POISONED = 2000

local function poisoned_keys(poisoned)
  local count = redis.call('HLEN', poisoned)
  return count <= MANY_POISONED and redis.call('HGETALL', poisoned) or count
end

-- The ids of records that wait for changes at or after a time; nil if one cannot be read.
local function waiting_from(waiting, time)
  local ids = {}
  local fields = redis.call('HGETALL', waiting)
  for at = 1, #fields, 2 do
    local fine, entry = pcall(cjson.decode, string.match(fields[at + 1], '^[^\n]*'))
    if not fine or type(entry) ~= 'table' or entry.v ~= FORMAT or type(entry.time) ~= 'table' then return nil end
    if entry.time.t > time.t or (entry.time.t == time.t and entry.time.i >= time.i) then ids[#ids + 1] = fields[at] end
  end
  return ids
end

-- Moves a subscription to before all changes of a time. No worker is a commit's: nothing is the last one's repeat.
local function rewind(one)
  local progress = one.moved
  redis.call('ZREM', keys.positions, position_member(progress))
  progress.time, progress.token, progress.source, progress.options = one.to, '', '', ''
  progress.commit, progress.epoch, progress.worker = progress.commit + 1, tonumber(epoch), ''
  progress.generation = one.generation
  one.text = cjson.encode(progress)
  redis.call('SET', one.keys.resume, one.text)
  redis.call('ZADD', keys.positions, 0, position_member(progress))
  redis.call('UNLINK', one.keys.ahead)
  for _, id in ipairs(one.dropped) do
    redis.call('HDEL', one.keys.waiting, id)
    redis.call('HDEL', one.keys.contents, id)
    redis.call('ZREM', keys.retry, one.destination .. '|' .. id)
  end
end

local wanted = {}
local is_wanted = {}
for at = 7, #ARGV, 8 do
  local one = {destination = ARGV[at], start = {t = tonumber(ARGV[at + 1]), i = tonumber(ARGV[at + 2])},
    life = {t = tonumber(ARGV[at + 3]), i = tonumber(ARGV[at + 4])}, generation = tonumber(ARGV[at + 5]),
    to = {t = tonumber(ARGV[at + 6]), i = tonumber(ARGV[at + 7])}}
  one.keys = subscription_keys(collection, one.destination)
  one.letters = letter_keys(collection, one.destination)
  wrong = mistyped(one.keys) or mistyped(one.letters)
  if wrong then return {'corrupt', wrong} end
  local progress, absent, text = read_progress(one.keys.resume)
  if not progress and not absent then return {'corrupt', one.keys.resume} end
  if progress and progress.life.t == one.life.t and progress.life.i == one.life.i then
    one.text = text
    if progress.generation < one.generation then
      one.moved = progress
      one.dropped = waiting_from(one.keys.waiting, one.to)
      if not one.dropped then return {'corrupt', one.keys.waiting} end
    end
  end
  wanted[#wanted + 1] = one
  is_wanted[one.destination] = true
end

if mode == 'open' then
  local counter = redis.call('GET', COUNTER) or '0'
  if not tonumber(counter) then return {'corrupt', COUNTER} end
  epoch = whole(math.max(tonumber(counter), tonumber(lease[3] or '0') or 0, tonumber(epoch)) + 1)
  redis.call('SET', COUNTER, epoch)
  redis.call('HSET', keys.lease, 'worker', worker, 'until', whole(now_millis() + tonumber(lease_time)), 'epoch', epoch)
end

local states = {}
local total = redis.call('LLEN', keys.dead)
local is_moved = false
for number, one in ipairs(wanted) do
  local is_new = not one.text
  if is_new then
    drop(keys, one.keys, one.destination)
    local progress = {v = FORMAT, destination = one.destination, time = one.start, token = '', source = '',
      options = '', start = one.start, life = one.life, commit = 0, epoch = tonumber(epoch), worker = worker,
      generation = one.generation}
    one.text = cjson.encode(progress)
    redis.call('SET', one.keys.resume, one.text)
    redis.call('ZADD', keys.positions, 0, position_member(progress))
    is_moved = true
  elseif one.moved then
    rewind(one)
    is_moved = true
  end
  if total == 0 then
    -- Somebody cleared the list by hand: there are no dead letters, whatever was counted.
    redis.call('UNLINK', one.letters.letters, one.letters.poisoned, keys.dead_index)
    redis.call('HDEL', keys.counts, 'dead:' .. one.destination)
  end
  local dead = tonumber(redis.call('HGET', keys.counts, 'dead:' .. one.destination) or '0') or 0
  states[number] = {
    is_new and 1 or 0, one.text, redis.call('HGETALL', one.keys.waiting),
    redis.call('ZRANGE', one.keys.ahead, 0, -1), poisoned_keys(one.letters.poisoned),
    math.min(dead, total), total,
  }
end
if is_moved then show_oldest(keys) end

local others = {}
for _, member in ipairs(redis.call('ZRANGE', keys.positions, 0, -1)) do
  local destination = destination_of(member)
  if not is_wanted[destination] then others[#others + 1] = destination end
end
return {'taken', epoch, others, states}
