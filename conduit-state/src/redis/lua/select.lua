-- Answers dead letters with what is kept beside them.
-- ARGV: collection, destination or '', id after which to begin or '', how many to look at, how many to find; then ids,
-- growing: these only.
-- Answers {'ok', {letter, entry or '', ...}, the last id looked at if there may be more or ''}.
local collection, destination, after = unpack(ARGV, 1, 3)
local keys = collection_keys(collection)
local wrong = mistyped({dead = keys.dead, dead_index = keys.dead_index})
if wrong then return {'corrupt', wrong} end
local list, ids = letter_list(keys.dead), {unpack(ARGV, 6)}
local found, last = select_letters(list, destination, after, tonumber(ARGV[4]), tonumber(ARGV[5]), ids)
if not found then return {'corrupt', keys.dead} end
local letters = {}
for _, letter in ipairs(found) do
  letters[#letters + 1] = letter.text
  letters[#letters + 1] = redis.call('HGET', keys.dead_index, letter.id) or ''
end
return {'ok', letters, last or ''}
