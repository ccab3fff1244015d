-- spec/support/nginx-program: which nginx the specs start, and how its modules are
-- loaded, with stand-ins for nginx that read a configuration; the harness and the sandbox
-- with an nginx whose modules are compiled in; the port that the harness takes.

local child = require "spec.support.child"
local nginx = require "spec.support.nginx"

-- An nginx with the modules of `built_in`, that can load those in its folder.
local STAND_IN = [[#!/bin/sh
built_in='%s'
[ "$1" != -V ] || { echo "configure arguments: --prefix=/nowhere --modules-path='%s' --with-debug" >&2; exit; }
for conf; do :; done
has=" $built_in "
for module in $(sed -n 's|^load_module ".*/\([a-z_]*\)_module.so";$|\1|p' "$conf"); do
  case $has in *" $module "*) echo "module \"$module\" is already loaded" >&2; exit 1 ;; esac
  [ -e "${0%%/*}/my modules/${module}_module.so" ] || { echo "dlopen() failed: $module" >&2; exit 1; }
  [ $module = ndk_http ] || case $has in *" ndk_http "*) ;; *) echo "undefined symbol: ndk_set_var_value" >&2; exit 1 ;; esac
  has="$has$module "
done
case $has in *" ngx_http_lua "*) ;; *) echo 'unknown directive "lua_package_path"' >&2; exit 1 ;; esac
]]

local PROGRAM = child.path "spec/support/nginx-program"

local HARNESS = [[
  local nginx, sandbox = require "spec.support.nginx", require "spec.support.sandbox"
  local side = sandbox.start()
  local server = nginx.start { locations = 'location = /x { content_by_lua_block { require "grid" ngx.print "yes" } }' }
  print(side.dir)
  print(server.dir)
  print(server:get "/x", side:stats().held)
  side:stop()
  print(server:stop())
]]

-- Notes the folder of each start. The first start in a folder fails as one whose port
-- another program has taken, which may happen to any start.
local COMPILED_IN = [[#!/bin/sh
case $1 in -V | -t) ;; *)
  grep -qsxF "$2" %s || { echo "$2" >>%s; echo "bind() failed (98: Address already in use)" >&2; exit 1; }
  echo "$2" >>%s
esac
exec '%s' -g '%s' "$@"]]

describe("the nginx that the specs start", function()
  local folder

  before_each(function() folder = child.folder() end)
  after_each(function() folder:remove() end)

  local function found_with(built_in, ...)
    local modules = folder.path .. "/my modules"
    os.execute(("mkdir '%s'"):format(modules))
    for _, name in ipairs { ... } do folder:write("my modules/" .. name .. "_module.so", "") end
    folder:write("nginx", STAND_IN:format(built_in, modules))
    os.execute(("chmod 755 '%s/nginx'"):format(folder.path))
    local code, out, err = folder:run(PROGRAM, { NGINX = folder.path .. "/nginx", TMPDIR = folder.path })
    local _, left = folder:run "ls -d grid-* 2>/dev/null"
    assert.equal("", left)
    return code, (out:gsub((folder.path:gsub("%p", "%%%0")), "DIR")), err
  end

  it("loads no module that is built in", function()
    assert.same({ 0, "DIR/nginx\n\n", "" }, { found_with("ndk_http ngx_http_lua", "ndk_http", "ngx_http_lua") })
  end)

  it("loads the modules from the folder that nginx was built for", function()
    assert.same({ 0, table.concat({ "DIR/nginx", 'load_module "DIR/my modules/ndk_http_module.so";',
      'load_module "DIR/my modules/ngx_http_lua_module.so";', "" }, "\n"), "" }, { found_with("", "ndk_http", "ngx_http_lua") })
  end)

  it("loads the one module that is not built in", function()
    assert.same({ 0, 'DIR/nginx\nload_module "DIR/my modules/ngx_http_lua_module.so";\n', "" },
      { found_with("ndk_http", "ndk_http", "ngx_http_lua") })
  end)

  it("is refused where it takes no Lua, with nginx's words", function()
    local code, out, err = found_with("", "ndk_http")
    assert.same({ 1, "" }, { code, out })
    assert.matches("dlopen%(%) failed: ngx_http_lua\nnginx%-program: .*/nginx takes no Lua directives", err)
  end)

  it("may have its modules before it reads a configuration, for the harness and for the sandbox", function()
    local _, real = folder:run(PROGRAM)
    local path, load = real:match "^([^\n]+)\n(.*)$"
    local starts = child.quote(folder.path .. "/starts")
    folder:write("nginx", COMPILED_IN:format(starts, starts, starts, path, load:gsub("\n", " ")))
    folder:write("start.lua", HARNESS)
    local script = ("chmod 755 nginx; cd %s && NGINX=%s %s %s"):format(
      child.quote(child.root), child.quote(folder.path .. "/nginx"), child.vm, child.quote(folder.path .. "/start.lua"))
    local code, out, err = folder:run(script)
    assert.equal(0, code, err)
    local side, server, rest = out:match "^([^\n]+)\n([^\n]+)\n(.*)$"
    assert.matches("^yes\t0\n0\t", rest)
    local started = {}
    for dir in folder:read("starts"):gmatch "[^\n]+" do started[dir] = true end
    assert.same({ [side] = true, [server] = true }, started)
    assert.falsy(rest:find("[emerg]", 1, true), rest)
  end)

  it("does not share the port of one that serves with reuseport", function()
    local random_port = nginx.random_port
    local first = nginx.start { listen = "reuseport" }
    function nginx.random_port()
      nginx.random_port = random_port
      return first.port
    end
    local second = nginx.start { listen = "reuseport" }
    nginx.random_port = random_port
    local ports = { first.port, second.port }
    assert.same({ 0, 0 }, { (first:stop()), (second:stop()) })
    assert.not_equal(ports[1], ports[2])
  end)
end)
