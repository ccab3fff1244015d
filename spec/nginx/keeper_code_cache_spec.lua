-- keeper:start inside nginx without lua_code_cache, where each request has a Lua VM of
-- its own.

local nginx = require "spec.support.nginx"

local START = [[
  local grid = require "grid"
  local keeper = grid.keeper {
    exchange = grid.exchange.oauth2 { token_url = "http://127.0.0.1:1/", client_id = "app", client_auth = "none" },
    store = grid.store.shdict { dict = "sessions" },
  }
  local ok, err = keeper:start()
]]

local HTTP = "lua_shared_dict sessions 1m;\n"
local SAY = "ngx.print(tostring(err)) } }\n"
local LOCATIONS = "location = /start { content_by_lua_block {" .. START .. SAY
  .. "location = /stop { content_by_lua_block {" .. START .. "keeper:stop()" .. SAY .. [[
  location = /timers { content_by_lua_block { ngx.print(ngx.timer.running_count() + ngx.timer.pending_count()) } }
]]

describe("keeper:start without the code cache", function()
  local server

  after_each(function() server:stop() end)

  local function assert_refused()
    local text = server:get "/start"
    assert.truthy(text:find("no_background", 1, true), text)
    assert.truthy(text:find("another Lua VM of this worker has done so (lua_code_cache", 1, true), text)
  end

  it("begins in the VM of one request, and refuses to let that of another one remain", function()
    server = nginx.start { code_cache = false, http = HTTP, locations = LOCATIONS }
    assert.equal("nil", (server:get "/start"))
    local timers = server:get "/timers"
    for _ = 1, 3 do assert_refused() end
    assert.equal(timers, (server:get "/timers"))
  end)

  it("is refused in another VM after keeper:stop, too, since nginx keeps the first one", function()
    server = nginx.start { code_cache = false, http = HTTP, locations = LOCATIONS }
    assert.equal("nil", (server:get "/stop"))
    assert_refused()
  end)

  it("begins in init_worker, and refuses to begin in a request of the same worker", function()
    server = nginx.start {
      code_cache = false, locations = LOCATIONS, http = HTTP .. "init_worker_by_lua_block {" .. START .. "assert(ok, err) }",
    }
    assert_refused()
    local before = server:workers()
    server:signal "HUP"
    assert.is_true(server:has_replaced(before))
    assert_refused()
    assert.is_nil(server:log():find("[error]", 1, true))
  end)
end)
