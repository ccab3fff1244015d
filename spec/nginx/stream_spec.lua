-- Calls in ngx_stream_lua, which OpenResty has built in and Debian has not.

local json = require "spec.sandbox.json"
local nginx = require "spec.support.nginx"
local scenes = require "spec.nginx.scene"

local APP = 'local app, encode = require "spec.nginx.app", require("cjson").encode '

-- Each server says the outcome of its call.
local STREAM = ([[
    stream {
        lua_package_path "@ROOT@/lua/?.lua;@ROOT@/lua/?/init.lua;@ROOT@/?.lua;;@LUA_PATH@";
        lua_package_cpath "@BUILD@/?.so;;@LUA_CPATH@";
        init_by_lua_block { require "grid" }
        server {
            listen "unix:@DIR@/content";
            content_by_lua_block { @APP@ ngx.print(encode(app.refresh())) }
        }
        server {
            listen "unix:@DIR@/preread";
            preread_by_lua_block { @APP@ ngx.ctx.outcome = app.refresh() }
            content_by_lua_block { @APP@ ngx.print(encode(ngx.ctx.outcome)) }
        }
        server {
            listen "unix:@DIR@/timer";
            content_by_lua_block {
                @APP@
                local done, outcome = require("ngx.semaphore").new(), nil
                ngx.timer.at(0, function() outcome = app.refresh() done:post(1) end)
                done:wait(20)
                ngx.print(encode(outcome))
            }
        }
        server {
            listen "unix:@DIR@/log";
            content_by_lua_block { ngx.print "{}" }
            log_by_lua_block { @APP@ ngx.log(ngx.NOTICE, "in the log phase: ", encode(app.refresh())) }
        }
    }
]]):gsub("@APP@", APP)

local function begin(scene, name)
  local connection = require "socket.unix"()
  assert(connection:connect(scene.nginx.dir .. "/" .. name))
  connection:settimeout(30)
  return connection
end

local function finish(connection)
  local text = assert(connection:receive "*a")
  connection:close()
  return json.decode(text)
end

describe("in ngx_stream_lua", function()
  local scene
  if not nginx.has "ngx_stream_lua_module" then return pending "this nginx has no ngx_stream_lua" end

  setup(function() scene = scenes.start { main = STREAM } end)
  teardown(function() assert.is_nil(scene:stop()) end)

  for _, name in ipairs { "content", "preread", "timer" } do
    it("a call waits in " .. name, function()
      local outcome = finish(begin(scene, name))
      assert.is_true(outcome.ok, outcome.message)
    end)
  end

  it("a call that waits does not stop those of other connections", function()
    scene.sandbox:fault { kind = "delay", hold = true, count = 1 }
    local held = begin(scene, "content")
    scene.sandbox:wait_held(1)
    assert.is_true(finish(begin(scene, "content")).ok)
    scene.sandbox:release()
    assert.is_true(finish(held).ok)
  end)

  it("sends nothing in the log phase", function()
    finish(begin(scene, "log"))
    assert.truthy(nginx.wait_for(10, function() return scene.nginx:log():find("in the log phase: %b{}") end))
    assert.truthy(scene.nginx:log():match("in the log phase: (%b{})"):find '"code":"cannot_wait"')
  end)
end)
