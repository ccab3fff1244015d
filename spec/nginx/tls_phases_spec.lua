-- The phases of a TLS handshake that can wait only with OpenResty's patches: without
-- them, a call there sends nothing, and the handshake goes on.

local certificate = require "spec.support.certificate"
local child = require "spec.support.child"
local scenes = require "spec.nginx.scene"

local APP = 'local app = require "spec.nginx.app" '
local OLD = "this ngx_lua has no ssl_client_hello_by_lua"
local PHASES = { ssl_client_hello = "nginx", ssl_session_fetch = "OpenSSL" }

describe("inside nginx, in a TLS handshake, a call", function()
  local scene, folder, executed, output

  setup(function()
    folder = certificate.folder()
    local hooks = { "lua_shared_dict outcomes 1m;" }
    for phase in pairs(PHASES) do
      hooks[#hooks + 1] = ('%s_by_lua_block { %s ngx.shared.outcomes:set("%s", require("cjson").encode(app.refresh())) }')
        :format(phase, APP, phase)
    end
    local ok, started = pcall(scenes.start, {
      http = table.concat(hooks, "\n"),
      server = ([[
        listen "unix:@DIR@/tls.sock" ssl;
        ssl_certificate "CERTS/cert.pem";
        ssl_certificate_key "CERTS/key.pem";
        ssl_protocols TLSv1.2;
        ssl_session_tickets off;]]):gsub("CERTS", folder.path),
      locations = [[
        location = /greeting { return 200 "hello"; }
        location = /outcomes { content_by_lua_block { ngx.print(ngx.shared.outcomes:get(ngx.var.arg_of) or "null") } }]],
    })
    if not ok and tostring(started):find("unknown directive", 1, true) then return end -- ngx_lua before 0.10.21
    assert(ok, started)
    scene = started
    executed = scene.sandbox:stats().executions
    -- The second connection resumes the session of the first: its id is looked for.
    output = ""
    for _, use in ipairs { "-sess_out", "-sess_in" } do
      output = output .. child.capture(("printf 'GET /greeting HTTP/1.0\\r\\n\\r\\n' | timeout 10 openssl s_client -quiet "
        .. "-no_ticket %s '%s/session.pem' -unix '%s/tls.sock' 2>&1"):format(use, folder.path, scene.nginx.dir))
    end
  end)

  teardown(function()
    local problem = scene and scene:stop()
    folder:remove()
    assert.is_nil(problem)
  end)

  for phase, patched in pairs(PHASES) do
    it("waits in " .. phase .. ", or says that it cannot without OpenResty's patch", function()
      if not scene then return pending(OLD) end
      local outcome = scene:ask("/outcomes?of=" .. phase)
      if outcome.ok then return end
      assert.same({ "request", "cannot_wait", "no" }, { outcome.kind, outcome.code, outcome.sent })
      assert.truthy(outcome.message:find(("'%s': %s lacks OpenResty's patch"):format(phase, patched), 1, true), outcome.message)
    end)
  end

  it("does not end the handshake", function()
    if not scene then return pending(OLD) end
    assert.equal(2, select(2, output:gsub("hello", "")), output)
    local answered = 0
    for phase in pairs(PHASES) do
      if scene:ask("/outcomes?of=" .. phase).ok then answered = answered + 1 end
    end
    assert.is_true(scene.sandbox:stats().executions - executed <= 2 * answered)
  end)
end)
