-- Shared by all scripts. Names of keys are made here; the documentation of keys.rs lists them.
local FORMAT = 1

local function collection_keys(collection)
  return {
    lease = 'cdc:lease:' .. collection,
    resume = 'cdc:resume:' .. collection,
    retry = 'cdc:retry:' .. collection,
    dead = 'cdc:dlq:' .. collection,
    dead_index = 'cdc:state:dead:' .. collection,
    counts = 'cdc:state:counts:' .. collection,
    positions = 'cdc:state:positions:' .. collection,
  }
end

local function subscription_keys(collection, destination)
  local name = collection .. ':' .. destination
  return {
    resume = 'cdc:resume:' .. name,
    waiting = 'cdc:state:waiting:' .. name,
    contents = 'cdc:state:retry:' .. name,
    ahead = 'cdc:state:ahead:' .. name,
  }
end

-- What is kept of a subscription's dead letters that are not stale: members `<key>|<sequence> <t> <i> <id>`, in order
-- by their text; and of each key `<how many> <t> <i>`, the time being that of the newest.
local function letter_keys(collection, destination)
  local name = collection .. ':' .. destination
  return {letters = 'cdc:state:letters:' .. name, poisoned = 'cdc:state:poisoned:' .. name}
end

local TYPES = {
  lease = 'hash', resume = 'string', retry = 'zset', dead = 'list', dead_index = 'hash', counts = 'hash',
  positions = 'zset', waiting = 'hash', contents = 'hash', ahead = 'zset', letters = 'zset', poisoned = 'hash',
}

-- The first of the keys that holds something of another type, or nil. A script does not roll back, so this is asked
-- before the first write.
local function mistyped(keys)
  for name, key in pairs(keys) do
    local found = redis.call('TYPE', key).ok
    if found ~= 'none' and found ~= TYPES[name] then return key end
  end
end

-- Exact for all whole numbers below 2^53, where tostring is not.
local function whole(number)
  return string.format('%.0f', number)
end

local function now_millis()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The decoded progress, or nil and whether it is absent.
local function decode_progress(text)
  if not text then return nil, true end
  local fine, progress = pcall(cjson.decode, text)
  if not fine or type(progress) ~= 'table' or progress.v ~= FORMAT or type(progress.time) ~= 'table'
    or type(progress.life) ~= 'table' or not tonumber(progress.commit) or not tonumber(progress.generation) then
    return nil, false
  end
  return progress, false, text
end

local function read_progress(key)
  return decode_progress(redis.call('GET', key))
end

-- A member of the sorted set of positions: it sorts as the positions do, since a space comes before all that is in
-- a token.
local function position_member(progress)
  return string.format('%010.0f%010.0f', progress.time.t, progress.time.i)
    .. progress.token .. ' ' .. progress.destination
end

local function destination_of(member)
  return string.match(member, '[^ ]*$')
end

-- Copies the oldest destination's progress to the collection's.
local function show_oldest(keys)
  local oldest = redis.call('ZRANGE', keys.positions, 0, 0)[1]
  local text = oldest and redis.call('GET', keys.resume .. ':' .. destination_of(oldest))
  if text then
    redis.call('SET', keys.resume, text)
  else
    redis.call('DEL', keys.resume)
  end
end

-- Drops all of a subscription but its dead letters.
local function drop(keys, of, destination)
  for _, id in ipairs(redis.call('HKEYS', of.waiting)) do
    redis.call('ZREM', keys.retry, destination .. '|' .. id)
  end
  redis.call('UNLINK', of.resume, of.waiting, of.contents, of.ahead)
  for _, member in ipairs(redis.call('ZRANGE', keys.positions, 0, -1)) do
    if destination_of(member) == destination then redis.call('ZREM', keys.positions, member) end
  end
end

local function holds(lease_key, worker, epoch)
  local found = redis.call('HMGET', lease_key, 'worker', 'epoch')
  return found[1] == worker and found[2] == epoch
end
