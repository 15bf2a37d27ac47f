-- Takes a lease (or checks it) and answers the states of subscriptions, beginning those that have none.
-- ARGV: 'open' or 'load', collection, worker, lease time in ms, worker to evict or '', epoch (of 'load');
--       then for each subscription: destination, start (t, i), life (t, i).
-- Answers {'held', worker, ms} | {'fenced'} | {'corrupt', key} | {'taken', epoch, others, states},
-- a state being {is new, progress, waiting (id, entry, ...), settled ahead, poisoned, number of dead letters}.
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

local wanted = {}
local is_wanted = {}
for at = 7, #ARGV, 5 do
  local one = {destination = ARGV[at], start = {t = tonumber(ARGV[at + 1]), i = tonumber(ARGV[at + 2])},
    life = {t = tonumber(ARGV[at + 3]), i = tonumber(ARGV[at + 4])}}
  one.keys = subscription_keys(collection, one.destination)
  wrong = mistyped(one.keys)
  if wrong then return {'corrupt', wrong} end
  local progress, absent, text = read_progress(one.keys.resume)
  if not progress and not absent then return {'corrupt', one.keys.resume} end
  if progress and progress.life.t == one.life.t and progress.life.i == one.life.i then one.text = text end
  wanted[#wanted + 1] = one
  is_wanted[one.destination] = true
end

if mode == 'open' then
  local counter = redis.call('GET', COUNTER) or '0'
  if not tonumber(counter) then return {'corrupt', COUNTER} end
  epoch = whole(math.max(tonumber(counter), tonumber(lease[3] or '0') or 0) + 1)
  redis.call('SET', COUNTER, epoch)
  redis.call('HSET', keys.lease, 'worker', worker, 'until', whole(now_millis() + tonumber(lease_time)), 'epoch', epoch)
end

local states = {}
local begun = false
for number, one in ipairs(wanted) do
  local is_new = not one.text
  if is_new then
    drop(keys, one.keys, one.destination)
    local progress = {v = FORMAT, destination = one.destination, time = one.start, token = '', source = '',
      options = '', start = one.start, life = one.life, commit = 0, epoch = tonumber(epoch), worker = worker,
      generation = 0}
    one.text = cjson.encode(progress)
    redis.call('SET', one.keys.resume, one.text)
    redis.call('ZADD', keys.positions, 0, position_member(progress))
    begun = true
  end
  local dead = tonumber(redis.call('HGET', keys.counts, 'dead:' .. one.destination) or '0') or 0
  states[number] = {
    is_new and 1 or 0, one.text, redis.call('HGETALL', one.keys.waiting),
    redis.call('ZRANGE', one.keys.ahead, 0, -1), redis.call('SMEMBERS', one.keys.poisoned),
    math.min(dead, redis.call('LLEN', keys.dead)),
  }
end
if begun then show_oldest(keys) end

local others = {}
for _, member in ipairs(redis.call('ZRANGE', keys.positions, 0, -1)) do
  local destination = destination_of(member)
  if not is_wanted[destination] then others[#others + 1] = destination end
end
return {'taken', epoch, others, states}
