-- Starts the gateway of spec/examples/openid for a spec, with its nginx.conf as it is but
-- for the lines that a user changes. Owns the nginx, and the folder of sessions in its
-- own folder.

local files = require "spec.support.files"
local nginx = require "spec.support.nginx"

local openid_gateway = {}

local FOLDER = "spec/examples/openid"

local function changed(text, from, to)
  local first, last = text:find(from, 1, true)
  assert(first and not text:find(from, last, true), "the gateway's nginx.conf should have once: " .. from)
  return text:sub(1, first - 1) .. to .. text:sub(last + 1)
end

local PATHS = ([[
    "@ROOT@/FOLDER/?.lua;@ROOT@/lua/?.lua;@ROOT@/lua/?/init.lua;;@LUA_PATH@";
    lua_package_cpath "@BUILD@/?.so;;@LUA_CPATH@";
    access_log off; client_body_temp_path "@DIR@/body"; proxy_temp_path "@DIR@/proxy"; fastcgi_temp_path "@DIR@/fastcgi";
    uwsgi_temp_path "@DIR@/uwsgi"; scgi_temp_path "@DIR@/scgi";]]):gsub("FOLDER", FOLDER)

---@param given { issuer: string, secret: string, program: integer, redirect_uri?: string, idle?: number, changes?: string[][],
--- under?: string }
---@return table  an nginx, see spec/support/nginx.lua, and the folder `sessions`
function openid_gateway.start(given)
  local text = files.read(FOLDER .. "/nginx.conf")
  for _, change in ipairs {
    { "load_module /usr/lib/nginx/modules/ndk_http_module.so;", "@LOAD@ @USER@ daemon off;" },
    { "load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;", "" },
    { "worker_processes auto;", "worker_processes 2;" },
    { "logs/error.log warn;", '"@DIR@/error.log" notice;' },
    { "logs/nginx.pid;", '"@DIR@/nginx.pid";' },
    { '"/etc/openid-gateway/?.lua;;";', PATHS },
    { '"/etc/openid-gateway/sessions"', '"@DIR@/sessions"' },
    { "https://login.example.com", given.issuer },
    { "https://app.example.com/callback", given.redirect_uri or "http://gateway.example/callback" },
    { "14 * 24 * 3600", tostring(given.idle or 3600) },
    { "127.0.0.1:9000;", "127.0.0.1:" .. given.program .. ";" },
    { "listen 8080;", "listen 127.0.0.1:@PORT@;" },
  } do text = changed(text, change[1], change[2]) end
  for _, change in ipairs(given.changes or {}) do text = changed(text, change[1], change[2]) end
  local gateway = nginx.start { conf = text, env = { CLIENT_SECRET = given.secret }, under = given.under }
  gateway.sessions = gateway.dir .. "/sessions"
  return gateway
end

return openid_gateway
