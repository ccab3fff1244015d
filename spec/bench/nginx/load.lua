-- A script for wrk: asks for one line of figures at the end, and with an argument waits
-- so many milliseconds before each request.

-- luacheck: globals init delay done

local pause

function init(arguments)
  pause = tonumber(arguments[1])
  if pause then
    delay = function() return pause end
  end
end

function done(summary, latency)
  local errors = summary.errors
  print(("figures %d %d %f %f %d"):format(summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
