-- Lua-cURL 0.3, Debian's lua-curl: one easy handle, which keeps its connection.

local curl = require "curl"
local json = require "cjson"

return function(request)
  local chunks
  local easy = curl.easy_init()
  easy:setopt(curl.OPT_URL, request.url)
  easy:setopt(curl.OPT_FAILONERROR, 1)
  easy:setopt(curl.OPT_WRITEFUNCTION, function(chunk)
    chunks[#chunks + 1] = chunk
    return #chunk
  end)
  return function()
    local body = request.body()
    chunks = {}
    easy:setopt(curl.OPT_HTTPHEADER, request.lines())
    easy:setopt(curl.OPT_POSTFIELDS, body)
    local code, problem = easy:perform()
    assert(code == 0, problem)
    return json.decode(table.concat(chunks))
  end
end
