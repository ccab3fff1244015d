-- One run of wrk against a location of an nginx.
-- Does not know: what the location does.

local wrk = {}

local SCRIPT = "spec/bench/nginx/load.lua"

--- A load as a pipe: the function that is returned gives its figures once it is over.
--- `pause`: milliseconds before each request.
function wrk.begin(worker, path, connections, seconds, pause)
  local command = ("wrk -t1 -c%d -d%ds --timeout 30s -s %s '%s%s' %s"):format(
    connections, seconds, SCRIPT, worker.http, path, pause or "")
  local pipe = assert(io.popen(command))
  return function()
    local text = pipe:read "a"
    pipe:close()
    local requests, duration, median, p99, errors = text:match "figures (%d+) (%d+) ([%d.]+) ([%d.]+) (%d+)"
    assert(requests and tonumber(errors) == 0, "the load failed: " .. text)
    return { rate = requests / duration * 1e6, requests = tonumber(requests), median = median / 1000, p99 = p99 / 1000 }
  end
end

--- Eight quiet visitors of a location that has nothing to do with any call.
function wrk.visitors(worker, seconds)
  return wrk.begin(worker, "/unrelated", 8, seconds, 8)
end

return wrk
