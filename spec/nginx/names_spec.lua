-- A name server that does not answer holds up the call that asked, until its timeout, and no other.

local scenes = require "spec.nginx.scene"

local LOCATIONS = [[
    location = /slow {
        content_by_lua_block {
            local app = require "spec.nginx.app"
            app.say(app.refresh({ timeout = 0.5 }, app.client { base_url = "https://slow.invalid", retries = 0 }))
        }
    }
    location = /refresh { content_by_lua_block { local app = require "spec.nginx.app" app.say(app.refresh()) } }
]]

describe("a name server that takes its time", function()
  local library, scene

  setup(function()
    library = os.tmpname()
    assert(os.execute(("cc -shared -fPIC -o '%s' spec/nginx/slow_names.c -ldl"):format(library)))
    scene = scenes.start { locations = LOCATIONS, env = { LD_PRELOAD = library } }
    assert.is_true(scene:ask("/refresh").ok)
  end)

  teardown(function()
    local problem = scene:stop()
    os.remove(library)
    assert.is_nil(problem)
  end)

  it("blocks neither other requests nor other calls, and the call gives up in time", function()
    local call = scene.nginx:begin "/slow"
    for _ = 1, 10 do -- before, at and after the timeout
      local outcome = scene:ask "/refresh"
      assert.is_true(outcome.ok, outcome.message)
      os.execute "sleep 0.1"
    end
    local body = call:finish()
    assert.truthy(body:find '"kind":"timeout"', body)
    assert.truthy(body:find '"sent":"no"', body)
  end)

  it("does not hold up the end of a worker", function()
    local call = scene.nginx:begin "/slow"
    os.execute "sleep 0.1"
    scene.nginx:signal "TERM"
    call:finish()
    assert.equal(0, scene.nginx:wait())
  end)
end)
