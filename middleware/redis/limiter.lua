-- GCRA in one step, by the clock of Redis. A bucket is "debt:moment": how many nanoseconds it
-- lacked to be full, and when that was, in microseconds since 1970. Whole numbers below 2^53 are
-- exact in Lua.
-- ARGV: nanoseconds per token, tokens of a full bucket, cost, tokens that the caller would like in
-- advance
-- Returns: 1 if allowed, tokens left, nanoseconds to wait, tokens given in advance
local interval, capacity, cost, ahead = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local debt, set_back = 0, false
local bucket = redis.call('GET', KEYS[1])
if bucket then
  local d, moment = string.match(bucket, '^(%d+):(%d+)$')
  set_back = tonumber(moment) > now -- the clock: another node took over. Nobody waits for it to come back.
  debt = math.max(0, tonumber(d) - math.max(0, now - tonumber(moment)) * 1000)
end

local full = interval * capacity
local over = debt + cost * interval - full
local allowed, given = cost <= capacity and over <= 0, 0
if allowed then
  debt = debt + cost * interval
  given = math.max(0, math.min(ahead, math.floor((full - debt) / interval / 2)))
  debt = debt + given * interval
end
if allowed or set_back then
  redis.call('SET', KEYS[1], string.format('%.0f:%.0f', debt, now), 'PX', string.format('%.0f', math.ceil(debt / 1000000) + 1))
end
local left = math.max(0, math.floor((full - debt) / interval))
if allowed then return {1, left, 0, given} end
if cost > capacity then over = 0 end
return {0, left, over, 0}
