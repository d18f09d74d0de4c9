-- Writes, replaces or deletes an entry if its current version is the expected one.
--
-- KEYS[1]  the entry, a hash: v its version (16 bytes), b its sealed body, d its discard_after (8 bytes, big-endian; empty: none)
-- KEYS[2]  where an entry goes that cannot be read; in the same slot
-- ARGV[1]  the version expected; empty: no entry
-- ARGV[2]  v of the next entry; empty: delete, and nothing follows
-- ARGV[3]  b of the next entry
-- ARGV[4]  d of the next entry
-- ARGV[5]  when the server may drop it (POSIX seconds); empty: never
-- ARGV[6]  for how many seconds an entry that was set aside is kept
--
-- Answers {'done'}; {'conflict'} where there is none; {'conflict', v, b, d}; {'damaged'}; or {'refused', command, error}.

-- The second value is what to answer where the server refuses a command: servers differ in what they would make of
-- its error outside of a script.
local function call(command, ...)
  local reply = redis.pcall(command, ...)
  if type(reply) == 'table' and reply.err then
    return nil, {'refused', command, reply.err}
  end
  return reply
end

local found, refused = call('HMGET', KEYS[1], 'v', 'b', 'd')
local damaged
if refused then
  -- Another type was put in its place.
  damaged = string.find(refused[3], 'WRONGTYPE', 1, true)
  if not damaged then return refused end
  found = {}
else
  local v, b, d = found[1], found[2], found[3]
  local whole = v and #v == 16 and b and d and (#d == 0 or #d == 8)
  damaged = not whole and (v or b or d)
end

local _
if damaged then
  if ARGV[1] ~= '' then return {'damaged'} end
  -- Kept for a while, for whoever wants to know what happened.
  _, refused = call('RENAME', KEYS[1], KEYS[2])
  if refused then return refused end
  _, refused = call('EXPIRE', KEYS[2], ARGV[6])
  if refused then return refused end
elseif (found[1] or '') ~= ARGV[1] then
  if not found[1] then return {'conflict'} end
  return {'conflict', found[1], found[2], found[3]}
end

if ARGV[2] == '' then
  _, refused = call('DEL', KEYS[1])
  return refused or {'done'}
end

-- Never a DEL first: where an HSET is refused (memory, rights) the old entry stays as it is.
_, refused = call('HSET', KEYS[1], 'v', ARGV[2], 'b', ARGV[3], 'd', ARGV[4])
if refused then return refused end
if ARGV[5] == '' then
  _, refused = call('PERSIST', KEYS[1])
else
  _, refused = call('EXPIREAT', KEYS[1], ARGV[5])
end
return refused or {'done'}
