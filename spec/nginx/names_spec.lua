-- A name server that does not answer delays the call that needs the name, until its
-- timeout, and no other.

local core = require "grid.core"
local nginx = require "spec.support.nginx"
local scenes = require "spec.nginx.scene"

local LOCATIONS = [[
    location = /slow {
        content_by_lua_block {
            local app = require "spec.nginx.app"
            app.begun = true
            app.say(app.refresh({ timeout = 0.5 }, app.client { base_url = "https://slow.invalid", retries = 0 }))
        }
    }
    location = /begun { content_by_lua_block { ngx.print(tostring(require("spec.nginx.app").begun)) } }
    location = /refresh { content_by_lua_block { local app = require "spec.nginx.app" app.say(app.refresh()) } }
]]

-- libcurl before 7.87 waits for its thread, as the README says.
local function waits()
  local major, minor = core.libcurl():match "^(%d+)%.(%d+)"
  return tonumber(major) * 1000 + tonumber(minor) < 7087
end

describe("a name server that takes its time", function()
  if waits() then return pending "this libcurl waits for name servers" end
  local library, scene

  before_each(function()
    library = os.tmpname()
    assert(os.execute(("cc -shared -fPIC -o '%s' spec/nginx/slow_names.c -ldl"):format(library)))
    scene = scenes.start { locations = LOCATIONS, env = { LD_PRELOAD = library } }
    assert.is_true(scene:ask("/refresh").ok)
  end)

  after_each(function()
    local problem = scene:stop()
    os.remove(library)
    assert.is_nil(problem)
  end)

  local function begin()
    local call = scene.nginx:begin "/slow"
    assert.is_true(nginx.wait_for(10, function() return scene.nginx:get "/begun" == "true" end))
    return call
  end

  it("blocks neither other requests nor other calls, and the call gives up in time", function()
    local call = begin()
    for _ = 1, 10 do -- before, at and after the timeout
      local outcome = scene:ask "/refresh"
      assert.is_true(outcome.ok, outcome.message)
      os.execute "sleep 0.1"
    end
    local body = call:finish()
    assert.truthy(body:find '"kind":"timeout"', body)
    assert.truthy(body:find '"sent":"no"', body)
  end)

  it("does not hold up a worker that ends when its calls have ended", function()
    local call = begin()
    scene.nginx:signal "QUIT"
    assert.truthy(call:finish():find '"kind":"timeout"')
    assert.equal(0, scene.nginx:wait())
  end)

  it("does not hold up a worker that ends at once", function()
    local call = begin()
    scene.nginx:signal "TERM"
    call:finish()
    assert.equal(0, scene.nginx:wait())
  end)
end)
