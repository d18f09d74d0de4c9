-- Ends a lease, if it is still held by this owner.
--
-- KEYS[1]  the lease
-- ARGV[1]  the owner
--
-- Answers {'done'}, whether or not there was anything to end, or {'refused', command, error}.

-- As in swap.lua.
local function call(command, ...)
  local reply = redis.pcall(command, ...)
  if type(reply) == 'table' and reply.err then
    return nil, {'refused', command, reply.err}
  end
  return reply
end

local holder, refused, _
holder, refused = call('GET', KEYS[1])
if not refused and holder == ARGV[1] then
  _, refused = call('DEL', KEYS[1])
end
return refused or {'done'}
