-- Shared by the scripts that look for dead letters or change them.

-- How many letters are moved at once when a list is written anew.
local MOVED = 100
-- One change at a place costs as much as writing so many letters anew, about.
local CHANGE = 64

local function letter_list(key)
  local list = {key = key, length = redis.call('LLEN', key)}
  function list.id_at(place)
    local text = redis.call('LINDEX', key, place) or ''
    return tonumber(string.match(text, '^{"id":(%d+),')), text
  end
  if list.length > 0 then list.first, list.last = list.id_at(0), list.id_at(-1) end
  list.is_fine = list.length == 0 or (list.first and list.last)
  return list
end

-- The place of the first letter whose id is `wanted` or greater, its id, and its text if that is it; the length and nil
-- if there is none; nil if the list is damaged. Ids grow with the places: looks where the id would be if they grew evenly, and every other
-- time in the middle.
local function seek(list, wanted)
  if list.length == 0 or wanted > list.last then return list.length end
  if wanted <= list.first then return 0, list.first end
  local low, low_id, high, high_id = 0, list.first, list.length - 1, list.last
  local is_even = true
  while high - low > 1 do
    local share = is_even and (wanted - low_id) / (high_id - low_id) or 0.5
    local place = math.min(math.max(low + math.floor((high - low) * share), low + 1), high - 1)
    local id, text = list.id_at(place)
    if not id then return nil end
    if id == wanted then return place, id, text end
    if id < wanted then low, low_id = place, id else high, high_id = place, id end
    is_even = not is_even
  end
  return high, high_id
end

-- The letters among `ids` (growing), or the first `most` after `after` among the next `length`: {place, id, destination,
-- text}; with `destination`, its own only. And the id of the last one looked at, unless it was the list's last. Nil if
-- the list is damaged.
local function select_letters(list, destination, after, length, most, ids)
  local found, last = {}, nil
  local function look(place, text)
    local id, of = string.match(text, '^{"id":(%d+),"destination":"([^"]*)"')
    if not id then return false end
    if destination == '' or of == destination then
      found[#found + 1] = {place = place, id = id, destination = of, text = text}
    end
    last = id
    return true
  end
  if not list.is_fine then return nil end
  if #ids > 0 then
    for _, id in ipairs(ids) do
      local place, found_id, text = seek(list, tonumber(id))
      if not place then return nil end
      if found_id == tonumber(id) and not look(place, text or redis.call('LINDEX', list.key, place)) then
        return nil
      end
    end
    return found, nil
  end
  local first = after == '' and 0 or seek(list, tonumber(after) + 1)
  if not first then return nil end
  local place = first
  for _, text in ipairs(redis.call('LRANGE', list.key, first, first + length - 1)) do
    if #found == most then break end
    if not look(place, text) then return nil end
    place = place + 1
  end
  return found, place < list.length and last or nil
end

-- The text of a letter that turns stale; the same if it is.
local function stale_text(text)
  return (string.gsub(text, '"stale":false}$', '"stale":true}'))
end

-- What must be known to change a list by `changes`, id → 'goes' or 'stale'. What is not in the list is passed over: a
-- list that somebody cleared by hand has nothing to change. Nil if the list is damaged.
local function plan_edits(key, changes)
  local plan, count = {list = letter_list(key), changes = changes}, 0
  for _ in pairs(changes) do count = count + 1 end
  plan.is_whole = count * CHANGE > plan.list.length
  if not plan.list.is_fine then return nil end
  if plan.is_whole then return plan end
  for id, change in pairs(changes) do
    local place, found, text = seek(plan.list, tonumber(id))
    if not place then return nil end
    if found == tonumber(id) then
      text = text or redis.call('LINDEX', key, place)
      plan[#plan + 1] = {place = place, text = change == 'stale' and stale_text(text) or ''}
    end
  end
  return plan
end

-- Carries out a plan: letter by letter, or by writing the whole list anew if that is less.
local function edit_list(plan)
  local list = plan.list
  if not plan.is_whole then
    local goes = false
    for _, edit in ipairs(plan) do
      redis.call('LSET', list.key, edit.place, edit.text)
      goes = goes or edit.text == ''
    end
    -- No letter is empty: the empty ones are removed together.
    if goes then redis.call('LREM', list.key, 0, '') end
    return
  end
  for first = 0, list.length - 1, MOVED do
    local texts = redis.call('LRANGE', list.key, 0, math.min(MOVED, list.length - first) - 1)
    redis.call('LTRIM', list.key, #texts, -1)
    local kept = {}
    for _, text in ipairs(texts) do
      local change = plan.changes[string.match(text, '^{"id":(%d+),') or '']
      if change == 'stale' then text = stale_text(text) end
      if change ~= 'goes' then kept[#kept + 1] = text end
    end
    if #kept > 0 then redis.call('RPUSH', list.key, unpack(kept)) end
  end
end

-- How many letters a subscription has; no field says none.
local function set_dead_count(keys, destination, count)
  if count > 0 then
    redis.call('HSET', keys.counts, 'dead:' .. destination, whole(count))
  else
    redis.call('HDEL', keys.counts, 'dead:' .. destination)
  end
end

-- A member of the sorted set of letters that are not stale: those of a key stand in the order of their places, since a
-- space comes before all that is in a place.
local function letter_member(key, sequence, t, i, id)
  return key .. '|' .. sequence .. ' ' .. whole(t) .. ' ' .. whole(i) .. ' ' .. id
end

-- What becomes of a subscription's poisoned keys. Its functions only read and set `wrong` to a key that holds something
-- else than it should; `write` only writes.
local function poison_changes(collection, destination)
  local of = letter_keys(collection, destination)
  local index = collection_keys(collection).dead_index
  local changes = {wrong = mistyped(of)}
  local counts, leaving = {}, {}

  local function read_entry(id)
    local text = redis.call('HGET', index, id)
    if not text then return nil end
    local fine, entry = pcall(cjson.decode, text)
    if not fine or type(entry) ~= 'table' or entry.v ~= FORMAT or type(entry.key) ~= 'string'
      or type(entry.sequence) ~= 'string' or type(entry.time) ~= 'table' or not tonumber(entry.time.t)
      or not tonumber(entry.time.i) then
      changes.wrong = index
      return nil
    end
    return entry
  end

  local function count_of(key)
    if not counts[key] then
      local text = redis.call('HGET', of.poisoned, key)
      local letters, t, i = string.match(text or '0 0 0', '^(%d+) (%d+) (%d+)$')
      if not letters then
        changes.wrong = of.poisoned
        letters, t, i = 0, 0, 0
      end
      counts[key] = {letters = tonumber(letters), t = tonumber(t), i = tonumber(i)}
    end
    return counts[key]
  end

  local function raise(count, t, i)
    count.letters = count.letters + 1
    if t > count.t or (t == count.t and i > count.i) then count.t, count.i = t, i end
  end

  -- Finds the newest letter of a key anew, if one like it has left.
  local function find_newest(key)
    local count = counts[key]
    if not count.is_unsure then return end
    count.is_unsure, count.letters, count.t, count.i = false, 0, 0, 0
    -- A brace comes right after the bar.
    for _, member in ipairs(redis.call('ZRANGEBYLEX', of.letters, '[' .. key .. '|', '(' .. key .. '}')) do
      if not leaving[member] then
        local t, i = string.match(member, ' (%d+) (%d+) %d+$')
        raise(count, tonumber(t), tonumber(i))
      end
    end
  end

  local function lower(key, member, t, i)
    local count = count_of(key)
    leaving[member] = true
    count.letters = count.letters - 1
    if count.letters <= 0 then
      count.letters, count.t, count.i = 0, 0, 0
    elseif t == count.t and i == count.i then
      count.is_unsure = true
    end
  end

  -- Letters go.
  function changes.leave(ids)
    local keys = {}
    for _, id in ipairs(ids) do
      local entry = read_entry(id)
      if entry then
        local t, i = entry.time.t, entry.time.i
        local member = letter_member(entry.key, entry.sequence, t, i, id)
        if not leaving[member] and redis.call('ZSCORE', of.letters, member) then
          lower(entry.key, member, t, i)
          keys[entry.key] = true
        end
      end
    end
    for key in pairs(keys) do find_newest(key) end
  end

  -- The letters of a key before a place turn stale: answers their ids.
  function changes.cure(key, place)
    local ids = {}
    local range = '(' .. key .. '|' .. place .. ' '
    for _, member in ipairs(redis.call('ZRANGEBYLEX', of.letters, '[' .. key .. '|', range)) do
      if not leaving[member] then
        local t, i, id = string.match(member, ' (%d+) (%d+) (%d+)$')
        lower(key, member, tonumber(t), tonumber(i))
        ids[#ids + 1] = id
      end
    end
    if #ids > 0 then find_newest(key) end
    return ids
  end

  -- A letter that is not stale comes.
  function changes.come(key, t, i)
    raise(count_of(key), t, i)
  end

  function changes.write()
    for member in pairs(leaving) do redis.call('ZREM', of.letters, member) end
    for key, count in pairs(counts) do
      if count.letters > 0 then
        redis.call('HSET', of.poisoned, key, whole(count.letters) .. ' ' .. whole(count.t) .. ' ' .. whole(count.i))
      else
        redis.call('HDEL', of.poisoned, key)
      end
    end
  end

  function changes.add(member)
    redis.call('ZADD', of.letters, 0, member)
  end

  return changes
end
