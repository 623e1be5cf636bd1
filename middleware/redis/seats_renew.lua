-- Renews a server's lease in one part, and forgets those that have run out. KEYS: the leases. ARGV:
-- the server's number, milliseconds
-- Returns: 1 renewed, 0 there was none any more: others may have taken its seats
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = redis.call('ZSCORE', KEYS[1], ARGV[1])
local held = lease and tonumber(lease) >= now
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', now))
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return held and 1 or 0
