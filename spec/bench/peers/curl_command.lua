-- The curl command, a process for each call. Headers and body go through files, so that
-- no secret is in the list of processes.

local json = require "cjson"

local dir = os.getenv "BENCH_DIR"

local function write(name, text)
  local file = assert(io.open(dir .. "/" .. name, "w"))
  file:write(text)
  file:close()
end

return function(request)
  local command = ("exec curl -sS --fail -H @%s/peer_headers --data-binary @%s/peer_body %s"):format(dir, dir, request.url)
  return function()
    write("peer_headers", table.concat(request.lines(), "\n") .. "\n")
    write("peer_body", request.body())
    local pipe = assert(io.popen(command))
    local text = pipe:read "*a"
    pipe:close()
    return json.decode(text)
  end
end
