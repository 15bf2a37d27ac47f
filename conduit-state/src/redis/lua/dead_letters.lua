-- Answers dead letters, oldest first. ARGV: collection, id after which to begin or '', how many at most.
local list = letter_list(collection_keys(ARGV[1]).dead)
local after, limit = ARGV[2], tonumber(ARGV[3])
if not list.is_fine then return {'corrupt', list.key} end
local first = after == '' and 0 or seek(list, tonumber(after) + 1)
if not first then return {'corrupt', list.key} end
if limit == 0 then return {'ok', {}} end
return {'ok', redis.call('LRANGE', list.key, first, first + limit - 1)}
