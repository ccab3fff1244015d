-- `require "grid"` in init_by_lua loads all that calls need later: a worker that can no
-- longer read Lua files (replaced files, dropped privileges, another package.path) makes
-- calls as before.

local child = require "spec.support.child"
local grid = require "grid"
local sandbox = require "spec.support.sandbox"
local scenes = require "spec.nginx.scene"

-- In the order of a session's life: each step finds what those before it left in `state`.
local STEPS = [[
  local grid = require "grid"
  local app = require "spec.nginx.app"
  local state = { keys = assert(grid.keypair(os.getenv "SCENE_KEY")), address = os.getenv "SCENE_ADDRESS" }
  local function session() return { encryption_public_key = state.keys.public_key, kms_payload = os.getenv "SCENE_PAYLOAD" } end
  local steps = {
    "new", function() state.client = app.client { on_event = function() end } end,
    "refresh_session", function() state.saved = assert(state.client:refresh_session(session())).kms_payload_json end,
    "open", function() state.auth = assert(state.keys:open(state.saved)) end,
    "authorization_key", function() assert(grid.authorization_key(state.auth:export())) end,
    "get_account", function() assert(state.client:get_account(state.address)) end,
    "update_account", function() state.prepared = assert(state.client:update_account(state.address, { threshold = 1 })).data end,
    "sign", function() state.signed = assert(state.client:sign(state.prepared, state.auth)) end,
    "submit", function() assert(state.client:submit(state.address, state.signed)) end,
    "sign_and_submit", function()
      local prepared = assert(state.client:update_account(state.address, { threshold = 1 })).data
      assert(state.client:sign_and_submit(state.address, prepared, state.auth))
    end,
    "grid.refresh_session", function() assert(grid.refresh_session(session(), { ca_file = os.getenv "SCENE_CA" })) end,
    "refresh_sessions", function() assert(state.client:refresh_sessions({ session(), session() })[2][1]) end,
    "init_auth", function() assert(state.client:init_auth { email = "ann@example.com" }) end,
    "complete_auth", function()
      local _, err = state.client:complete_auth {
        email = "ann@example.com", otp_code = "000000", encryption_public_key = state.keys.public_key }
      assert(grid.is_error(err) and tostring(err) ~= "", "no error")
    end,
    "request", function() assert(state.client:request("GET", "/accounts/" .. state.address)) end,
    "detached", function() assert(state.client:refresh_session(session(), { detached = true })) end,
    "no connection", function()
      local client = grid.new { base_url = "http://127.0.0.1:1", retries = 1 }
      local _, err = client:get_account "a"
      assert(err.outcome == "none", tostring(err))
    end,
    "misuse", function()
      local ok, problem = pcall(grid.new, { timout = 1 })
      assert(not ok and problem:find("did you mean 'timeout'", 1, true), problem)
    end,
    "canonicalize", function() assert(grid.canonicalize '{"b":1,"a":[]}' == '{"a":[],"b":1}') end,
    "keypair", function() assert(grid.keypair():export()) end,
    "array", function() assert(grid.array {}) end,
    "tostring", function() assert(tostring(state.client) and tostring(state.keys) and tostring(state.auth)) end,
    "close", function() state.client:close() end,
  }
  local outcomes = {}
  for i = 1, #steps, 2 do
    local ok, problem = pcall(steps[i + 1])
    outcomes[#outcomes + 1] = steps[i] .. ": " .. (ok and "done" or tostring(problem))
  end
  app.say(outcomes)
]]

describe("loaded in init_by_lua, the library", function()
  local scene

  setup(function()
    local grid_side = sandbox.share { api_key = "canary-api-key" }
    local keys = grid.keypair()
    local session = grid_side:sessions({ encryption_public_key = keys.public_key })[1]
    scene = scenes.on(grid_side, {
      env = { SCENE_KEY = keys:export(), SCENE_ADDRESS = session.address, SCENE_PAYLOAD = session.kms_payload_json },
      http = [[
        init_by_lua_block {
          require "spec.nginx.app" -- loads the library, and no module that it does not load itself
          package.path, package.cpath = "", ""
        }]],
      locations = "location = /steps { content_by_lua_block {" .. STEPS .. "} }" .. [[
        location = /loaded {
          content_by_lua_block {
            local names = {}
            for name in pairs(package.loaded) do names[name] = true end
            require("spec.nginx.app").say(names)
          }
        }]],
    })
  end)

  teardown(function()
    local problem = scene:stop()
    scene.sandbox:stop()
    assert.is_nil(problem)
  end)

  it("needs no file of Lua for anything", function()
    local outcomes = scene:ask "/steps"
    assert.equal("new: done", outcomes[1], outcomes.body)
    for _, outcome in ipairs(outcomes) do assert.matches(": done$", outcome) end
  end)

  it("has loaded each module that plain Lua loads when it is first used", function()
    local loaded, count = scene:ask "/loaded", 0
    for name in child.capture([[cd lua && grep -rhoE 'lazy "grid[a-z_.]*"' grid]]):gmatch '"(.-)"' do
      count = count + 1
      assert.is_true(loaded[name], name)
    end
    assert.is_true(count > 0)
  end)
end)
