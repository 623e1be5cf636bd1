-- Says an entry to all servers, and forgets those that are too old, by the clock of Redis. KEYS:
-- the stream, the state of maintenance.
-- ARGV: the entry, how many milliseconds entries are kept, '1' if this is the state of maintenance
-- from now on
-- Returns: the entry's position
local time = redis.call('TIME')
local oldest = string.format('%.0f', math.max(0, time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[2]))
local id = redis.call('XADD', KEYS[1], 'MINID', '~', oldest, '*', 'entry', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if ARGV[3] == '1' then redis.call('SET', KEYS[2], id .. ' ' .. ARGV[1]) end
return id
