-- Faults of a call inside nginx: each fault of the sandbox gives the same error as in
-- plain Lua, no call hangs or crashes, and nothing leaks.

local app = require "spec.nginx.app"
local grid = require "grid"
local nginx = require "spec.support.nginx"
local scenes = require "spec.nginx.scene"

local APP = 'local app = require "spec.nginx.app" '

-- No retries, so that one fault meets one try.
local LOCATIONS = [[
    location = /refresh {
        content_by_lua_block {
            @APP@
            client = client or app.client { retries = 0, timeout = 1, http_version = os.getenv "SCENE_VERSION" }
            app.say(app.refresh({ timeout = tonumber(ngx.var.arg_timeout) }, client))
        }
    }
    location = /alone {
        content_by_lua_block {
            @APP@
            local client = app.client { retries = 0, base_url = ngx.var.arg_base_url, ca_file = ngx.var.arg_ca_file }
            app.say(app.refresh(nil, client))
            client:close()
        }
    }
    location = /retrying { content_by_lua_block { @APP@ app.say(app.refresh()) } }
    location = /detached { content_by_lua_block { @APP@ app.say(app.refresh { detached = true }) } }
    location = /counters { content_by_lua_block { @APP@ app.say(app.counters()) } }
]]

-- Fault -> kind and sent of the error; no kind: a result.
local FAULTS = {
  { "a drop before the request is read", { kind = "drop" }, "network", "unknown" },
  { "a drop after the execution", { kind = "drop", execute = true }, "network", "unknown" },
  { "a reset", { kind = "drop", reset = true, execute = true }, "network", "unknown" },
  { "a stream that is cancelled", { kind = "drop", stream = true, execute = true }, "network", "unknown" },
  { "silence past the timeout", { kind = "delay", delay = 1.5 }, "timeout", "unknown" },
  { "an answer that comes a byte at a time", { kind = "slow", interval = 0.1 }, "timeout", "yes" },
  { "an answer that is cut short", { kind = "truncate" }, "network", "yes" },
  { "an answer without end", { kind = "huge" }, "protocol", "yes" },
  { "an answer of a thousand levels", { kind = "deep" }, "protocol", "yes" },
  { "an answer that is no UTF-8", { kind = "non_utf8" }, "protocol", "yes" },
  { "an answer with bytes after its end", { kind = "trailing" }, "protocol", "yes" },
  { "an answer without a payload", { kind = "missing_payload" }, "protocol", "yes" },
  { "an answer with members of other types", { kind = "wrong_types" }, "protocol", "yes" },
  { "an empty answer", { kind = "empty" }, "protocol", "yes" },
  { "a page of HTML", { kind = "html" }, "protocol", "yes" },
  { "a thousand header lines", { kind = "headers" }, "protocol", "yes" },
  { "a redirect", { kind = "redirect" }, "protocol", "yes" },
  { "status 400", { kind = "status", status = 400 }, "api", "yes" },
  { "status 401", { kind = "status", status = 401 }, "auth", "yes" },
  { "status 403", { kind = "status", status = 403 }, "auth", "yes" },
  { "status 404", { kind = "status", status = 404 }, "api", "yes" },
  { "status 409", { kind = "status", status = 409 }, "api", "yes" },
  { "status 410", { kind = "status", status = 410 }, "retired", "yes" },
  { "status 429", { kind = "status", status = 429, retry_after = 30 }, "rate_limit", "yes" },
  { "status 500", { kind = "status", status = 500 }, "api", "yes" },
  { "status 502 with a page of HTML", { kind = "html", status = 502 }, "api", "yes" },
  { "status 503", { kind = "status", status = 503 }, "api", "yes" },
  { "an answer without a refresh token", { kind = "no_refresh_token" } },
  { "an answer without a key", { kind = "no_key" } },
}

for _, version in ipairs { "2", "1.1" } do
  describe(("inside nginx, over HTTP/%s,"):format(version), function()
    local scene, plain

    setup(function()
      scene = scenes.start {
        locations = (LOCATIONS:gsub("@APP@", APP)),
        env = { SCENE_VERSION = version },
      }
      plain = grid.new { api_key = scene.sandbox.api_key, base_url = scene.sandbox.https, ca_file = scene.sandbox.ca,
        environment = "sandbox", retries = 0, timeout = 1, http_version = version }
    end)

    teardown(function()
      plain:close()
      assert.is_nil(scene:stop())
    end)

    before_each(function() scene.sandbox:control("DELETE", "/faults") end)

    local function in_plain_lua(timeout)
      local request = { encryption_public_key = app.public_key, kms_payload = scene.session.kms_payload_json }
      local res, err = plain:refresh_session(request, { timeout = timeout })
      if res then return { ok = true, status = res.status } end
      return { kind = err.kind, code = err.code, sent = err.sent, status = err.status }
    end

    for _, row in ipairs(FAULTS) do
      local name, fault, kind, sent = row[1], row[2], row[3], row[4]
      it(name .. " is told as in plain Lua", function()
        scene.sandbox:fault(fault)
        local timeout = kind == "timeout" and 1 or 20 -- other faults may take their time on a slow machine
        local expected = in_plain_lua(timeout)
        scene.sandbox:fault(fault)
        local outcome = scene:ask("/refresh?timeout=" .. timeout)
        assert.equal(kind, outcome.kind, outcome.message)
        assert.equal(sent, outcome.sent, outcome.message)
        for _, field in ipairs { "ok", "kind", "code", "sent", "status" } do assert.equal(expected[field], outcome[field]) end
      end)
    end

    it("a busy service is asked again, and the wait takes nothing from others", function()
      scene.sandbox:fault { kind = "status", status = 503, retry_after = 2 }
      scene.sandbox:control("DELETE", "/stats")
      local call = scene.nginx:begin "/retrying"
      assert.is_true(nginx.wait_for(20, function() return scene.sandbox:stats().requests == 1 end))
      assert.equal("ready", (scene.nginx:get "/ready"))
      assert.equal(1, scene.sandbox:stats().requests) -- still: the worker did not answer late
      assert.truthy(call:finish():find '"attempts":2')
    end)

    it("a detached call is asked again as well", function()
      scene.sandbox:fault { kind = "status", status = 503, retry_after = 1 }
      local outcome = scene:ask "/detached"
      assert.equal(2, outcome.attempts)
      assert.is_true(outcome.ok, outcome.message)
    end)

    -- The discard port is closed; .invalid has no addresses (RFC 6761).
    for _, row in ipairs {
      { "a refused connection", "http://127.0.0.1:9", "network" },
      { "a certificate that is not trusted", "@SANDBOX@&ca_file=/etc/ssl/certs/ca-certificates.crt", "tls" },
      { "a name that does not exist", "https://grid.invalid", "network" },
    } do
      it(row[1] .. " is told as such, and nothing was sent", function()
        local outcome = scene:ask("/alone?base_url=" .. row[2]:gsub("@SANDBOX@", scene.sandbox.https))
        assert.equal(row[3], outcome.kind, outcome.message)
        assert.equal("no", outcome.sent)
      end)
    end

    it("all of that leaves no block of memory and no descriptor behind", function()
      local before = scene:ask "/counters"
      for _, row in ipairs(FAULTS) do
        scene.sandbox:fault(row[2])
        scene:ask "/refresh"
      end
      assert.is_true(scene:is_back_to(before))
    end)
  end)
end
