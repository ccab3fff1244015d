-- Runs the handlers and stores the results of many refreshes.
-- Owns: the position of the next request, the requests that have not started, the
-- results, and the calls of the handlers.
-- Does not know: clients, connections and attempts. `prepare` makes a call from an
-- operation, and the scheduler reads the calls one by one.

local auth = require "grid.api.auth"
local errors = require "grid.errors"
local argument = require "grid.argument"
local options = require "grid.api.options"
local schema = require "grid.schema"

local batch = {}

---@class grid.Batch
---@field concurrency integer calls in flight at most
---@field results table[] by position; complete when the batch has ended
local Batch = { __index = batch }

-- The name that messages of misuse begin with.
local function name_of(what, position)
  return ("%s: request %d"):format(what, position)
end

local function check_list(what, requests)
  if type(requests) ~= "table" then argument.raise_type(requests, "%s: a list of requests is expected", what) end
  if #requests > 0 then return end
  schema.refuse_view(what, "requests", requests)
  if next(requests) ~= nil then argument.raise("%s: a list of requests is expected, got one table", what) end
end

--- A batch of these requests. Requests that are tables are checked here, so that misuse
--- is raised before any request is sent. `prepare(operation, position)` returns a call |
--- nil, error.
---@return grid.Batch
function batch.new(what, requests, given, prepare)
  options.check_many(what, given)
  check_list(what, requests)
  local self = setmetatable({
    what = what,
    concurrency = given.concurrency or 64,
    on_result = given.on_result,
    on_progress = given.on_progress,
    prepare = prepare,
    total = #requests,
    begun = 0, done = 0,
    requests = {}, -- by position: a request or the function that returns it; false once started
    results = {},
  }, Batch)
  for i = 1, self.total do
    local request = requests[i]
    self.requests[i] = type(request) == "function" and request or auth.check_refresh(name_of(what, i), request)
  end
  return self
end

local function operation_of(what, position, request)
  local reason
  if type(request) == "function" then request, reason = request() end
  if request == nil then return nil, reason end
  local operation, err = auth.refresh_session(name_of(what, position), request)
  return operation, err and errors.untried(err)
end

-- The operation at a position | nil, error. An error that the function of a request
-- raises is the result of that request.
function batch:operation(position)
  local request = self.requests[position]
  self.requests[position] = false
  local ok, operation, err = pcall(operation_of, self.what, position, request)
  if not ok then operation, err = nil, operation end
  if operation or err ~= nil then return operation, err end
  return nil, errors.untried(errors.new {
    kind = "request", code = "no_request", message = "the function gave no request, and no reason",
  })
end

-- The call at a position | nil, error
function batch:make(position)
  local operation, err = self:operation(position)
  if not operation then return nil, err end
  return self.prepare(operation, position)
end

--- The next call | nil: all have started. A request without a call gets its error as
--- result at once.
function batch:next()
  while self.begun < self.total do
    local position = self.begun + 1
    self.begun = position
    local call, err = self:make(position)
    if call then return call end
    self:finish(position, nil, err)
  end
end

--- Stores the result of a request, and calls the handlers. Errors that a handler raises
--- are caught: they must not prevent other results.
function batch:finish(position, res, err)
  local result = { res, err }
  self.results[position] = result
  self.done = self.done + 1
  if self.on_result then
    local ok, problem = pcall(self.on_result, position, res, err)
    if not ok then result.problem = problem == nil and "an error without a message" or problem end
  end
  if self.on_progress then pcall(self.on_progress, self.done, self.total) end
end

--- Sets `err` as the result of all requests that have not started. -> the results
function batch:finish_all(err)
  while self.begun < self.total do
    self.begun = self.begun + 1
    self:finish(self.begun, nil, err)
  end
  return self.results
end

return batch
