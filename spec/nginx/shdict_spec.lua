-- The store in a shared dictionary inside nginx: the contract, histories of many
-- workers, killed workers, a reload. All interleavings: spec/store/shdict_spec.lua.
-- Does not know: the keeper.

local files = require "spec.support.files"
local linear = require "spec.store.linear"
local load = require "spec.store.load"
local nginx = require "spec.support.nginx"

local WORKERS = 8

local LOCATIONS = [[
    location = /check {
        content_by_lua_block {
            local check = require "grid.store.check"
            local ok, problem = check(function() return require("grid").store.shdict { dict = "checked" } end)
            ngx.print(ok and "true" or problem)
        }
    }
    location = /load {
        content_by_lua_block {
            local name = ngx.var.arg_name
            local count = tonumber(ngx.var.arg_count)
            local function is_over() return ngx.shared.checked:get "over" end
            local errors, problem = require("spec.store.load").run(store, "@DIR@/history." .. name, name, count, is_over)
            ngx.print(errors == 0 and "done" or tostring(problem))
        }
    }
    location = /over {
        content_by_lua_block { ngx.shared.checked:set("over", ngx.var.arg_is == "1") }
    }
    location = /put {
        content_by_lua_block { ngx.print((store:put("kept", nil, "blob", 5))) }
    }
    location = /get {
        content_by_lua_block {
            local blob, rev = store:get "kept"
            local due, first = store:due(5, 10)[1], store:list(9)[1]
            ngx.print(tostring(blob), " ", tostring(rev), " ", tostring(due), " ", tostring(first))
        }
    }
    location = /durability { content_by_lua_block { ngx.print(store:durability()) } }
    location = /keys {
        content_by_lua_block {
            local counts = { n = 0, p = 0, b = 0, o = 0 }
            for _, key in ipairs(ngx.shared.sessions:get_keys(0)) do counts[key:sub(1, 1)] = counts[key:sub(1, 1)] + 1 end
            ngx.print(("n%d p%d b%d o%d"):format(counts.n, counts.p, counts.b, counts.o))
        }
    }]]

describe("a store in a shared dictionary of nginx", function()
  local server

  before_each(function()
    server = nginx.start {
      workers = WORKERS, listen = "reuseport", locations = LOCATIONS,
      http = [[
        lua_shared_dict sessions 1m;
        lua_shared_dict checked 10m;
        init_by_lua_block { store = require("grid").store.shdict { dict = "sessions" } }]],
    }
  end)

  after_each(function() if server then server:stop() end end)

  local function begin(number, count)
    local requests = {}
    for i = 1, number do requests[i] = server:begin(("/load?name=%d&count=%d"):format(i, count)) end
    return requests
  end

  it("keeps the contract of stores", function()
    assert.equal("true", (server:get "/check"))
  end)

  it("is linearizable under the operations of many workers", function()
    local requests = begin(2 * WORKERS, 150)
    for _, request in ipairs(requests) do assert.equal("done", (request:finish())) end
    local operations, count = load.history(server.dir)
    assert.equal(2 * WORKERS, count)
    assert.equal(2 * WORKERS * 150, #operations)
    assert.same({ true }, { linear.check_all(operations) })
    assert.equal("", nginx.alarms(server:log()))
    assert.matches("o0$", (server:get "/keys"))
  end)

  it("loses no record when workers are killed, and none is blocked", function()
    for _ = 1, 3 do
      local requests = begin(WORKERS, 100000)
      os.execute "sleep 0.05"
      for _, pid in ipairs(server:workers()) do os.execute("kill -9 " .. pid) end
      assert.is_true(nginx.wait_for(10, function() return select(2, server:get "/over?is=1") == 200 end))
      for _, request in ipairs(requests) do request:finish() end
      assert.is_true(nginx.wait_for(10, function() return select(2, server:get "/over?is=0") == 200 end))
    end
    for _, request in ipairs(begin(WORKERS, 50)) do assert.equal("done", (request:finish())) end
    local operations = load.history(server.dir)
    local unknown = 0
    for _, operation in ipairs(operations) do
      if operation.result == "unknown" then unknown = unknown + 1 end
    end
    assert.is_true(unknown >= 3, unknown)
    assert.same({ true }, { linear.check_all(operations) })
  end)

  it("keeps its records over a reload, and tells of the size with which it does", function()
    local rev = server:get "/put"
    assert.matches("^%d+%-%d+%.%x+$", rev)
    local before = server:workers()
    server:signal "HUP"
    assert.is_true(server:has_replaced(before))
    assert.equal("blob " .. rev .. " kept kept", (server:get "/get"))
    assert.matches("with this size of the dictionary", (server:get "/durability"))
    local path = server.dir .. "/nginx.conf"
    files.write(path, (files.read(path):gsub("lua_shared_dict sessions 1m", "lua_shared_dict sessions 2m")))
    before = server:workers()
    server:signal "HUP"
    assert.is_true(server:has_replaced(before))
    assert.equal("nil nil nil nil", (server:get "/get"))
    assert.equal("", nginx.alarms(server:log()))
  end)
end)
