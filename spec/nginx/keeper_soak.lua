-- Refreshes of many sessions by the workers of an nginx that is disturbed meanwhile, or
-- whose callers go away, and what must be true of the sessions afterwards.
-- Does not know: the disturbances.

local core = require "grid.core"
local socket = require "socket"

local soak = {}

local AT_ONCE = 64 -- requests in flight

-- One round of requests. -> how many were answered with a session
local function round(scene, ids, first, problems, during)
  local requests, count = {}, 0
  for i = 1, AT_ONCE do requests[i] = scene:begin("/refresh?id=" .. ids[(first + i) % #ids + 1]) end
  if during then during() end
  for i = 1, AT_ONCE do
    local answer = requests[i]()
    if answer.ok then count = count + 1 end
    local problem = not answer.ok and (answer.code or "no answer")
    if problem then problems[problem] = (problems[problem] or 0) + 1 end
  end
  return count
end

--- Refreshes until `count` requests were answered with a session. Calls `disturb(round,
--- seconds)` before each round, and what that returns while the requests are under way.
--- -> { answered, problems, seconds }
function soak.run(scene, count, ids, disturb)
  local result, began, number = { answered = 0, problems = {}, seconds = 0 }, core.now(), 0
  while result.answered < count do
    number = number + 1
    local during = disturb(number, core.now() - began)
    result.answered = result.answered + round(scene, ids, number * AT_ONCE, result.problems, during)
  end
  result.seconds = core.now() - began
  return result
end

local function loss(id, session, err, family)
  if not session then return id .. ": " .. tostring(err) end
  if family.reuses > 0 or family.revoked then return id .. " was revoked" end
  if session.access_token ~= family.access_token or not family.living then return id .. " has another token than the server" end
  if session.generation ~= family.rotations + 1 then
    return ("%s has generation %d after %d rotations"):format(id, session.generation, family.rotations)
  end
end

--- What was lost: a list of texts. Each session is refreshed once more; its record then
--- has one generation for each rotation of the server. The ids are in the order of their
--- families.
function soak.losses(scene, ids)
  local losses, sessions, errors = {}, {}, {}
  for i, id in ipairs(ids) do sessions[i], errors[i] = scene:keeper():refresh(id) end
  local families = scene.oauth:all_families()
  for i, id in ipairs(ids) do losses[#losses + 1] = loss(id, sessions[i], errors[i], families[i]) end
  return losses
end

--- Requests whose clients close the connection when the function that is returned is
--- called.
function soak.abort(scene, paths)
  local connections = {}
  for i, path in ipairs(paths) do
    local connection = assert(socket.connect("127.0.0.1", scene.nginx.port))
    assert(connection:send(("GET %s HTTP/1.0\r\n\r\n"):format(path)))
    connections[i] = connection
  end
  return function()
    for _, connection in ipairs(connections) do connection:close() end
  end
end

--- So many new, expired sessions; `readers` wait for each, and go away while the server
--- holds the answers back. -> the ids, and how many waited at once in the one worker
function soak.lose_callers(scene, sessions, readers)
  local ids, paths = {}, {}
  for i = 1, sessions do
    ids[i] = scene:add()
    for _ = 1, readers do paths[#paths + 1] = "/get?timeout=30&id=" .. ids[i] end
  end
  scene.oauth:fault { kind = "delay", hold = true, count = 0 }
  local go_away = soak.abort(scene, paths)
  scene.oauth:wait_held(sessions)
  local waiters = scene:ask("/counters").waiters
  go_away()
  scene.oauth:control("DELETE", "/faults")
  scene.oauth:release()
  return ids, waiters
end

--- Ends a worker as the kernel does when memory is short.
function soak.kill(worker)
  os.execute(("kill -9 %s 2>/dev/null"):format(worker))
end

return soak
