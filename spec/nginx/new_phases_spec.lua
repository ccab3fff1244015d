-- The phases of newer versions of ngx_lua. Each one is pending where nginx has none.

local certificate = require "spec.support.certificate"
local json = require "spec.sandbox.json"
local nginx = require "spec.support.nginx"
local scenes = require "spec.nginx.scene"

local CALL = [[ { local app = require "spec.nginx.app" ngx.shared.outcomes:set("NAME", require("cjson").encode(app.refresh())) } ]]

-- Where the directive stands; @CALL@ is its block. Its outcome is noted under its name.
local PLACES = {
  server_rewrite = { server = "server_rewrite_by_lua_block @CALL@" },
  precontent = { locations = [[
    location = /precontent {
        precontent_by_lua_block @CALL@
        content_by_lua_block { ngx.print "{}" }
    }]] },
  proxy_ssl_certificate = { locations = [[
    location = /proxy_ssl_certificate {
        proxy_ssl_certificate_by_lua_block @CALL@
        proxy_pass "https://unix:@DIR@/tls.sock:/";
    }]] },
  proxy_ssl_verify = { locations = [[
    location = /proxy_ssl_verify {
        proxy_ssl_verify_by_lua_block @CALL@
        lua_upstream_skip_openssl_default_verify on;
        proxy_pass "https://unix:@DIR@/quiet.sock:/";
    }]] },
}

-- Two upstreams, of which one asks for a certificate.
local UPSTREAMS = [[
    ssl_certificate "CERTS/cert.pem";
    ssl_certificate_key "CERTS/key.pem";
    server {
        listen "unix:@DIR@/tls.sock" ssl;
        ssl_verify_client optional_no_ca;
        location / { return 200 "{}"; }
    }
    server {
        listen "unix:@DIR@/quiet.sock" ssl;
        location / { return 200 "{}"; }
    }]]

local function has(name) return nginx.has(name .. "_by_lua_block") end

-- The directives that this nginx has.
local function snippets()
  local parts = { server = "", locations = "" }
  for name, place in pairs(PLACES) do
    for level, text in pairs(has(name) and place or {}) do
      parts[level] = parts[level] .. text:gsub("@CALL@", (CALL:gsub("NAME", name))) .. "\n"
    end
  end
  return parts
end

describe("inside a newer nginx, a call", function()
  local scene, certificates

  setup(function()
    certificates = certificate.folder()
    local parts = snippets()
    scene = scenes.start {
      http = "lua_shared_dict outcomes 1m;\n" .. UPSTREAMS:gsub("CERTS", certificates.path),
      server = parts.server,
      locations = parts.locations .. [[
        location = /outcome { content_by_lua_block { ngx.print(ngx.shared.outcomes:get(ngx.var.arg_of) or "null") } }
      ]],
    }
  end)

  teardown(function()
    local problem = scene and scene:stop()
    certificates:remove()
    assert.is_nil(problem)
  end)

  for name in pairs(PLACES) do
    it("waits in " .. name, function()
      if not has(name) then return pending "this ngx_lua has no such phase" end
      local body, status = scene.nginx:get("/" .. name)
      local outcome = scene:ask("/outcome?of=" .. name)
      assert.are_not.equal(json.null, outcome, "the phase did not run: " .. status .. " " .. body)
      assert.is_true(outcome.ok, outcome.message)
    end)
  end
end)
