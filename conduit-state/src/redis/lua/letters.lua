-- Shared by the scripts that look for dead letters or change them.

-- How many letters are moved at once when a list is written anew.
local MOVED = 100
-- One look at a place costs as much as writing so many letters anew, about.
local LOOK = 16

local function letter_list(key)
  local list = {key = key, length = redis.call('LLEN', key)}
  function list.id_at(place)
    return tonumber(string.match(redis.call('LINDEX', key, place) or '', '^{"id":(%d+),'))
  end
  if list.length > 0 then list.first, list.last = list.id_at(0), list.id_at(-1) end
  list.is_fine = list.length == 0 or (list.first and list.last)
  return list
end

-- The place of the first letter whose id is `wanted` or greater, and its id; the length and nil if there is none; nil
-- if the list is damaged. Ids grow with the places: looks where the id would be if they grew evenly, and every other
-- time in the middle.
local function seek(list, wanted)
  if list.length == 0 or wanted > list.last then return list.length end
  if wanted <= list.first then return 0, list.first end
  local low, low_id, high, high_id = 0, list.first, list.length - 1, list.last
  local is_even = true
  while high - low > 1 do
    local share = is_even and (wanted - low_id) / (high_id - low_id) or 0.5
    local place = math.min(math.max(low + math.floor((high - low) * share), low + 1), high - 1)
    local id = list.id_at(place)
    if not id then return nil end
    if id == wanted then return place, id end
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
      local place, found_id = seek(list, tonumber(id))
      if not place then return nil end
      if found_id == tonumber(id) and not look(place, redis.call('LINDEX', list.key, place)) then return nil end
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

-- Changes a list: `edits` are {place, is stale or else goes}, by growing place.
local function edit_list(list, edits)
  local function stale(text)
    local head, count = string.gsub(text, '"stale":false}$', '"stale":true}')
    return head, count == 1
  end
  if #edits * LOOK < list.length then
    local goes = false
    for _, edit in ipairs(edits) do
      if edit.is_stale then
        local text, is_changed = stale(redis.call('LINDEX', list.key, edit.place))
        if is_changed then redis.call('LSET', list.key, edit.place, text) end
      else
        -- No letter is empty: the empty ones are removed together below.
        redis.call('LSET', list.key, edit.place, '')
        goes = true
      end
    end
    if goes then redis.call('LREM', list.key, 0, '') end
    return
  end
  local next_edit = 1
  for first = 0, list.length - 1, MOVED do
    local texts = redis.call('LRANGE', list.key, 0, math.min(MOVED, list.length - first) - 1)
    redis.call('LTRIM', list.key, #texts, -1)
    local kept = {}
    for index, text in ipairs(texts) do
      local edit = edits[next_edit]
      if edit and edit.place == first + index - 1 then
        next_edit = next_edit + 1
        text = edit.is_stale and stale(text) or nil
      end
      kept[#kept + 1] = text
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

-- By bytes: the operator goes by the locale of the server.
local function comes_before(one, other)
  for at = 1, math.min(#one, #other) do
    local a, b = string.byte(one, at), string.byte(other, at)
    if a ~= b then return a < b end
  end
  return #one < #other
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
      or type(entry.sequence) ~= 'string' or type(entry.time) ~= 'table' then
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

  -- Counts a key's letters anew, but for those that leave. Those before `place` turn stale: answers their ids.
  function changes.recount(key, place)
    local count, stale = {letters = 0, t = 0, i = 0}, {}
    -- A brace comes right after the bar.
    for _, member in ipairs(redis.call('ZRANGEBYLEX', of.letters, '[' .. key .. '|', '(' .. key .. '}')) do
      local id = string.sub(member, #key + 2)
      local entry = not leaving[member] and read_entry(id)
      if not entry then
        leaving[member] = true
      elseif place and comes_before(entry.sequence, place) then
        leaving[member] = true
        stale[#stale + 1] = id
      else
        raise(count, entry.time.t, entry.time.i)
      end
    end
    counts[key] = count
    return stale
  end

  -- Letters go; answers the keys that must be counted anew since the newest of their letters is among them.
  function changes.leave(ids)
    local recounted = {}
    for _, id in ipairs(ids) do
      local entry = read_entry(id)
      local member = entry and entry.key .. '|' .. id
      if member and not leaving[member] and redis.call('ZSCORE', of.letters, member) then
        leaving[member] = true
        local count = count_of(entry.key)
        count.letters = count.letters - 1
        if count.letters > 0 and entry.time.t == count.t and entry.time.i == count.i then
          recounted[entry.key] = true
        end
      end
    end
    for key in pairs(recounted) do changes.recount(key) end
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

  function changes.add(key, id)
    redis.call('ZADD', of.letters, 0, key .. '|' .. id)
  end

  return changes
end
