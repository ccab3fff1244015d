-- The phases of nginx: a call waits without blocking the worker, or returns an error at
-- once.

local certificate = require "spec.support.certificate"
local json = require "spec.sandbox.json"
local nginx = require "spec.support.nginx"
local scenes = require "spec.nginx.scene"

local APP = 'local app = require "spec.nginx.app" '

-- Phases that may wait. The body of each location is the result of its call.
local WAITING = {
  rewrite = [[
    location = /rewrite {
        rewrite_by_lua_block { @APP@ ngx.ctx.outcome = app.refresh() }
        content_by_lua_block { @APP@ app.say(ngx.ctx.outcome) }
    }]],
  access = [[
    location = /access {
        access_by_lua_block { @APP@ ngx.ctx.outcome = app.refresh() }
        content_by_lua_block { @APP@ app.say(ngx.ctx.outcome) }
    }]],
  content = [[
    location = /content { content_by_lua_block { @APP@ app.say(app.refresh()) } }]],
  ["a timer"] = [[
    location = /timer {
        content_by_lua_block {
            @APP@
            local outcome
            local done = require("ngx.semaphore").new()
            ngx.timer.at(0, function() outcome = app.refresh() done:post(1) end)
            done:wait(10)
            app.say(outcome)
        }
    }]],
  ["a coroutine of the program's own"] = [[
    location = /coroutine {
        content_by_lua_block {
            @APP@
            app.say(coroutine.wrap(function() return (app.refresh()) end)())
        }
    }]],
  ["a light thread"] = [[
    location = /thread {
        content_by_lua_block {
            @APP@
            local ok, outcome = ngx.thread.wait(ngx.thread.spawn(app.refresh))
            app.say(outcome)
        }
    }]],
}

-- Phases that may not, and how the outcome gets out of them.
local IMPOSSIBLE = {
  set = [[
    location = /set {
        set_by_lua_block $outcome { @APP@ return require("cjson").encode(app.refresh()) }
        content_by_lua_block { ngx.print(ngx.var.outcome) }
    }]],
  header_filter = [[
    location = /header_filter {
        content_by_lua_block { ngx.print "" }
        header_filter_by_lua_block { @APP@ ngx.ctx.outcome = app.refresh() }
        body_filter_by_lua_block { ngx.arg[1] = require("cjson").encode(ngx.ctx.outcome) ngx.arg[2] = true }
    }]],
  body_filter = [[
    location = /body_filter {
        content_by_lua_block { ngx.print "{}" }
        body_filter_by_lua_block {
            @APP@
            if ngx.arg[1] ~= "" then ngx.arg[1] = require("cjson").encode(app.refresh()) end
        }
    }]],
}

-- Within a C function, which nothing can yield across: what runs a function there.
local WITHIN_C = {
  gsub = [[ ("x"):gsub("x", work) ]],
  sort = [[ table.sort({ 2, 1 }, function(a, b) work() return a < b end) ]],
  require = [[ package.preload.within = function() work() return true end
               package.loaded.within = nil
               require "within" ]],
}

local function c_locations()
  local parts = {}
  for name, code in pairs(WITHIN_C) do
    parts[#parts + 1] = ([[
    location = /within_%s {
        content_by_lua_block {
            @APP@
            local outcome
            local function work() outcome = outcome or app.refresh() end
            %s
            app.say(outcome)
        }
    }]]):format(name, code)
  end
  return (table.concat(parts, "\n"):gsub("@APP@", APP))
end

local function path_of(snippet) return snippet:match "location = (%S+)" end

local function all_locations()
  local parts = {}
  for _, group in ipairs { WAITING, IMPOSSIBLE } do
    for _, snippet in pairs(group) do parts[#parts + 1] = snippet end
  end
  return (table.concat(parts, "\n"):gsub("@APP@", APP))
end

describe("inside nginx, a call", function()
  local scene, certificates

  setup(function()
    certificates = certificate.folder()
    scene = scenes.start {
      locations = all_locations() .. c_locations() .. ([[
        location = /outcomes {
            content_by_lua_block { ngx.print(ngx.shared.outcomes:get(ngx.var.arg_of) or "null") }
        }
        location = /log {
            content_by_lua_block { ngx.print "logged" }
            log_by_lua_block { @APP@ ngx.shared.outcomes:set("log", require("cjson").encode(app.refresh())) }
        }
        location = /null { content_by_lua_block { ngx.print(tostring(require("grid").null == ngx.null)) } }
        location = /tls { content_by_lua_block { ngx.print(ngx.shared.outcomes:get "ssl_certificate") } }]]):gsub("@APP@", APP),
      http = ([[
        lua_shared_dict outcomes 1m;
        init_by_lua_block { @APP@ in_init = require("cjson").encode(app.refresh()) }
        init_worker_by_lua_block {
            @APP@
            local outcomes, encode = ngx.shared.outcomes, require("cjson").encode
            outcomes:set("init", in_init)
            outcomes:set("init_worker", encode(app.refresh()))
            ngx.timer.at(0, function() outcomes:set("init_worker_timer", encode(app.refresh())) end)
        }]]):gsub("@APP@", APP),
      server = ([[
        listen "unix:@DIR@/tls.sock" ssl;
        ssl_certificate "CERTS/cert.pem";
        ssl_certificate_key "CERTS/key.pem";
        ssl_certificate_by_lua_block {
            @APP@
            ngx.shared.outcomes:set("ssl_certificate", require("cjson").encode(app.refresh()))
        }]]):gsub("@APP@", APP):gsub("CERTS", certificates.path),
    }
  end)

  teardown(function()
    local problem = scene and scene:stop()
    certificates:remove()
    assert.is_nil(problem)
  end)

  local function assert_refused(phase, outcome)
    assert.equal("request", outcome.kind)
    assert.equal("cannot_wait", outcome.code)
    assert.equal("no", outcome.sent)
    assert.truthy(outcome.message:find("'" .. phase .. "'", 1, true), outcome.message)
    assert.truthy(outcome.message:find("ngx.timer.at", 1, true), outcome.message)
  end

  for name, snippet in pairs(WAITING) do
    it("waits in " .. name, function()
      assert.same({ ok = true, status = 200, attempts = 1, payload_bytes = #scene.session.kms_payload_json },
        scene:ask(path_of(snippet)))
    end)
  end

  for name in pairs(WITHIN_C) do
    it("sends nothing within " .. name .. ", which cannot be yielded across", function()
      local executed = scene.sandbox:stats().executions
      local outcome = scene:ask("/within_" .. name)
      assert.same({ "request", "cannot_wait", "no" }, { outcome.kind, outcome.code, outcome.sent })
      assert.truthy(outcome.message:find("within a C function", 1, true), outcome.message)
      assert.equal(executed, scene.sandbox:stats().executions)
    end)
  end

  it("waits in ssl_certificate_by_lua", function()
    local outcome = scene:ask("https://localhost/tls", "--unix-socket '" .. scene.nginx.dir .. "/tls.sock'")
    assert.is_true(outcome.ok, outcome.message)
  end)

  it("waits in a timer that init_worker_by_lua starts", function()
    local outcome
    nginx.wait_for(10, function()
      outcome = scene:ask "/outcomes?of=init_worker_timer"
      return outcome ~= json.null
    end)
    assert.is_true(outcome.ok, outcome.message)
  end)

  for name, snippet in pairs(IMPOSSIBLE) do
    it("says that it cannot wait in " .. name, function()
      assert_refused(name, scene:ask(path_of(snippet)))
    end)
  end

  it("says that it cannot wait in log_by_lua", function()
    assert.equal("logged", (scene.nginx:get "/log"))
    assert_refused("log", scene:ask "/outcomes?of=log")
  end)

  for _, phase in ipairs { "init", "init_worker" } do
    it(("says that it cannot wait in %s_by_lua itself"):format(phase), function()
      assert_refused(phase, scene:ask("/outcomes?of=" .. phase))
    end)
  end

  it("gives JSON null the value of ngx.null", function()
    assert.equal("true", (scene.nginx:get "/null"))
  end)
end)
