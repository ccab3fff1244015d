-- A busted helper for spec/nginx/run_inside.lua: notes the test that is running, for a
-- run that does not end.

local busted = require "busted"
local path = require("spec.nginx.inside").current()

busted.subscribe({ "test", "start" }, function(element)
  local file = assert(io.open(path, "w"))
  file:write(element.trace.short_src, " @ ", element.trace.currentline, "\n", element.name, "\n")
  file:close()
  return nil, true -- other handlers are called, too
end)
