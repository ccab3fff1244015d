-- Calls `run` when what it returns is collected; what is newer is finalized first. On
-- LuaJIT only userdata can have that.
-- Does not know: what `run` does.
return function(run)
  if not newproxy then return setmetatable({}, { __gc = run }) end
  local proxy = newproxy(true)
  getmetatable(proxy).__gc = run
  return proxy
end
