# The addon of the native engine. Each vector width is a library of its own with its own flags, so that no instruction that
# a processor lacks can end up in code that every processor runs; which of them is used is decided at run time.
{
  'target_defaults': {
    'cflags': ['-O3', '-fno-math-errno', '-fvisibility=hidden', '-Wall', '-Wextra'],
    # Node's own headers ask for the C++ it is itself written in, which older compilers do not know.
    'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
    'cflags_cc': ['-std=c++17'],
    'xcode_settings': {
      'OTHER_CFLAGS': ['-O3', '-fno-math-errno', '-fvisibility=hidden', '-Wall', '-Wextra'],
      'OTHER_CPLUSPLUSFLAGS': ['-std=c++17'],
    },
    'target_conditions': [
      ['_type=="static_library"', {
        # GCC remarks that vectors wider than the baseline's are passed differently by other compilers. None is passed
        # from one of these libraries to anything else.
        'cflags': ['-Wno-psabi'],
        'xcode_settings': { 'OTHER_CFLAGS': ['-Wno-psabi'] },
      }],
    ],
  },
  'targets': [
    {
      'target_name': 'sparrow',
      'sources': [
        'src/module.cpp',
        'src/engine_object.cpp',
        'src/engine.cpp',
        'src/cell_calls.cpp',
        'src/cells.cpp',
        'src/gradients.cpp',
        'src/linear.cpp',
        'src/dispatch.cpp',
        'src/pool.cpp',
      ],
      'include_dirs': ['../node_modules/node-addon-api'],
      'dependencies': ['kernels_plain'],
      'defines': [
        'NAPI_VERSION=8',
        # Whatever is thrown in C++, want of memory or of threads included, becomes an exception of JavaScript.
        'NODE_ADDON_API_CPP_EXCEPTIONS_ALL',
        # Electron forbids them.
        'NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED',
      ],
      'cflags_cc!': ['-fno-exceptions'],
      'xcode_settings': { 'GCC_ENABLE_CPP_EXCEPTIONS': 'YES' },
      'conditions': [['target_arch=="x64"', { 'dependencies': ['kernels_avx2', 'kernels_avx512'] }]],
    },
    # What every processor of its kind has: SSE2 on x64, NEON on arm64.
    { 'target_name': 'kernels_plain', 'type': 'static_library', 'sources': ['src/kernels_plain.cpp'] },
  ],
  'conditions': [
    ['target_arch=="x64"', {
      'variables': {
        'avx2': ['-mavx2', '-mfma'],
        'avx512': ['-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma'],
      },
      'targets': [
        {
          'target_name': 'kernels_avx2',
          'type': 'static_library',
          'sources': ['src/kernels_avx2.cpp'],
          'cflags': ['<@(avx2)'],
          'xcode_settings': { 'OTHER_CFLAGS': ['<@(avx2)'] },
        },
        {
          'target_name': 'kernels_avx512',
          'type': 'static_library',
          'sources': ['src/kernels_avx512.cpp'],
          'cflags': ['<@(avx512)'],
          'xcode_settings': { 'OTHER_CFLAGS': ['<@(avx512)'] },
        },
      ],
    }],
  ],
}
