-- Takes a seat, unless most are taken. KEYS: the seats of one key, a sorted set of seats with their
-- server's number as score; the leases of the servers in this part, until when (milliseconds since
-- 1970, by the clock of Redis) by number.
-- ARGV: the server's number, the seat, most, milliseconds to keep the set
-- Returns: 1 taken, 0 none is left, -1 the server has no lease
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function alive(server)
  local lease = redis.call('ZSCORE', KEYS[2], server)
  return lease and tonumber(lease) >= now
end

if not alive(ARGV[1]) then return -1 end
local most = tonumber(ARGV[3])
if redis.call('ZSCORE', KEYS[1], ARGV[2]) then return 1 end -- the answer was lost, and the command sent again
if redis.call('ZCARD', KEYS[1]) >= most then
  -- Only now it matters who of them is gone. One step for each server, not for each seat.
  local after = '-inf'
  while true do
    local first = redis.call('ZRANGEBYSCORE', KEYS[1], after, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    local server = first[2]
    if not server then break end
    if not alive(server) then redis.call('ZREMRANGEBYSCORE', KEYS[1], server, server) end
    after = '(' .. server
  end
  if redis.call('ZCARD', KEYS[1]) >= most then return 0 end
end
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
