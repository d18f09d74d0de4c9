-- Grants a lease that is free, has ended, or is held by the same owner already.
--
-- KEYS[1]  the lease: a string that holds its owner and ends by itself
-- ARGV[1]  the owner (16 bytes)
-- ARGV[2]  for how many milliseconds
--
-- Answers {'granted', seconds, microseconds}, the server's time; {'held', milliseconds} until it ends; or
-- {'refused', command, error}.

-- As in swap.lua.
local function call(command, ...)
  local reply = redis.pcall(command, ...)
  if type(reply) == 'table' and reply.err then
    return nil, {'refused', command, reply.err}
  end
  return reply
end

local holder, left, now, refused, _
holder, refused = call('GET', KEYS[1])
if refused then return refused end
if holder and holder ~= ARGV[1] then
  left, refused = call('PTTL', KEYS[1])
  if refused then return refused end
  -- A lease that never ends is none of ours, and nobody would ever release it.
  if left >= 0 then return {'held', tostring(left)} end
end

_, refused = call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if refused then return refused end
now, refused = call('TIME')
return refused or {'granted', now[1], now[2]}
