-- What a worker thread of nginx runs for worker_threads_spec: each thread has a Lua VM of
-- its own, with a client and a keeper of its own.

local app = require "spec.nginx.app"
local keeper_app = require "spec.nginx.keeper_app"

local thread_app = {}

--- One refresh of Grid -> its outcome.
function thread_app.refresh() return app.refresh() end

--- The session of an id -> the outcome of `get`.
function thread_app.get(id)
  local keeper = keeper_app.keeper or keeper_app.new()
  return keeper_app.outcome(keeper:get(id))
end

return thread_app
